"""The asyncio examples."""

import subprocess
import sys

from stack import ROOT, Process

EXAMPLES = ROOT / "docs" / "examples" / "python"


def test_example_programs(broker, base):
    url = broker.url(base)
    server = Process(sys.executable, EXAMPLES / "aio_server.py", url)
    server.expect("ready")
    for client in ("aio_client.py", "client.py"):
        done = subprocess.run(
            [sys.executable, EXAMPLES / client, url],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert "Hello, world!" in done.stdout and "sum of 100 values: 5050" in done.stdout
        assert "1 2 3 4 5 6 7 8 9 10" in done.stdout and "one, two, three" in done.stdout
        assert "INVALID_ARGUMENT: a name is needed" in done.stdout
        assert done.stderr == ""
    assert server.stop() == 0
