"""The examples of docs/guide/proxy.md, as they stand there but for addresses and files."""

import re
import shlex
import subprocess
import sys

from stack import PATIENCE, PROXY, ROOT, Process

GUIDE = (ROOT / "docs/guide/proxy.md").read_text()


def commands():
    fenced = re.findall(r"^```(\w*)\n(.*?)^```", GUIDE, re.DOTALL | re.MULTILINE)
    blocks = [text for language, text in fenced if not language]
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    return [shlex.split(line) for line in lines if line.startswith("grpc-mqtt-proxy ")]


def test_commands(broker, demo_protoset, tmp_path):
    key, cert = tmp_path / "proxy.key", tmp_path / "proxy.pem"
    words = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    words += ["-nodes", "-days", "2", "-subj", "/CN=proxy", "-keyout", str(key), "-out", str(cert)]
    subprocess.run(words, check=True, capture_output=True)
    here = {
        "demo.protoset": demo_protoset,
        "proxy.pem": cert,
        "proxy.key": key,
        "127.0.0.1:50051": "127.0.0.1:0",
        "0.0.0.0:50051": "127.0.0.1:0",
        "mqtt://broker.example.org:1883/fleet/device42": broker.url("fleet/device42"),
        "mqtts://broker.example.org": broker.url(""),
    }
    assert len(commands()) == 2
    for command in commands():
        proxy = Process(PROXY, *(here.get(word, word) for word in command[1:]))
        try:
            proxy.expect("ready: listening on 127.0.0.1:")
        finally:
            assert proxy.stop() == 0


def test_python(broker):
    (example,) = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)
    for there, here in (
        ("mqtt://127.0.0.1:1883", broker.url("")),
        ("127.0.0.1:50051", "127.0.0.1:0"),
        ("proxy.wait()", f"assert proxy.wait_ready({PATIENCE})"),
    ):
        assert there in example
        example = example.replace(there, here)
    subprocess.run([sys.executable, "-c", example], check=True, timeout=3 * PATIENCE)
