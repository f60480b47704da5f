"""The example of a sync server."""

import subprocess
import sys

from stack import ROOT, Process

EXAMPLES = ROOT / "docs" / "examples" / "python"


def test_example_program(broker, base):
    url = broker.url(base)
    server = Process(sys.executable, EXAMPLES / "serving.py", url)
    server.expect("ready")
    done = subprocess.run(
        [sys.executable, EXAMPLES / "client.py", url],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Hello, world!" in done.stdout and "sum of 100 values: 5050" in done.stdout
    assert "INVALID_ARGUMENT: a name is needed" in done.stdout
    assert done.stderr == ""
    assert server.stop() == 0
