"""Fixtures of the integration suite: a gRPC server, the gateway, a client of the dialect."""

import subprocess
import sys
from pathlib import Path

import pytest
from session import SessionClient
from stack import ROOT, Wire, protoset

sys.path.insert(0, str(Path(__file__).parent))

from servers import Server


@pytest.fixture(scope="session")
def relay_protoset(tmp_path_factory):
    return protoset(tmp_path_factory.mktemp("protoset"), ROOT / "tests/fixtures/protos/relay.proto")


@pytest.fixture(scope="session")
def broker_rules(tmp_path_factory):
    """Settings of a mosquitto with the plugin broker_rules.c, made here."""
    if not Path("/usr/include/mosquitto_plugin.h").exists():
        pytest.skip("no header of mosquitto's plugins (Debian: mosquitto-dev)")
    source = Path(__file__).with_name("broker_rules.c")
    plugin = tmp_path_factory.mktemp("rules") / "broker_rules.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", plugin, source], check=True)
    return (f"plugin {plugin}",)


@pytest.fixture
def server():
    started = Server()
    yield started
    started.stop()


@pytest.fixture
def gateway(broker, base, server, relay_protoset, start_gateway):
    return start_gateway(broker.url(base), (relay_protoset, server.target))


@pytest.fixture
def client(broker, base):
    started = SessionClient(broker.port, base)
    yield started
    started.close()


@pytest.fixture
def wire(broker):
    """Between a client and `broker`; can be made to fall silent."""
    started = Wire(broker.port)
    yield started
    started.close()
