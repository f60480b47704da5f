"""The console blocks of docs/guide/cli.md, as they stand there; "..." stands for anything."""

import re
import subprocess
from concurrent import futures

import grpc
import pytest
from cli_support import COMMAND, environment, fill
from stack import PATIENCE, ROOT, Broker

import grpc_mqtt

BLOCK = re.compile(r"```console\n(.*?)```", re.S)


def commands():
    """(command, expected output) of all blocks."""
    for block in BLOCK.findall((ROOT / "docs/guide/cli.md").read_text()):
        for part in re.split(r"^\$ ", block, flags=re.M)[1:]:
            command, _, output = part.partition("\n")
            yield command, output


@pytest.fixture(scope="module")
def fleet(tmp_path_factory, demo_code):
    """The broker and the server that the guide speaks of; the environment for its commands."""
    broker = Broker(tmp_path_factory.mktemp("guide"))
    server = grpc.server(futures.ThreadPoolExecutor(8))
    target = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    fill(server, demo_code)
    url = broker.url("fleet/device42", client_id="dev42")
    gateway = grpc_mqtt.Gateway(url, {target: None})
    assert gateway.wait_ready(PATIENCE)
    path = f"{COMMAND.parent}:{environment()['PATH']}"
    yield environment(GRPC_MQTT_URL=f"mqtt://127.0.0.1:{broker.port}/", PATH=path)
    gateway.close().wait(PATIENCE)
    server.stop(0).wait()
    broker.stop()


@pytest.mark.parametrize(("command", "output"), list(commands()))
def test_guide(fleet, command, output):
    done = subprocess.run(
        ["sh", "-c", command], capture_output=True, text=True, env=fleet, timeout=60, check=False
    )
    pattern = ".*".join(map(re.escape, output.split("...")))
    assert re.fullmatch(pattern, done.stdout + done.stderr), done.stdout + done.stderr
