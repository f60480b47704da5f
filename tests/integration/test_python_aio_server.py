"""grpc_mqtt.aio.server over a real broker. The tests are those of tests/bindings."""

import sys

import pytest
from stack import ROOT

sys.path.insert(0, str(ROOT / "tests" / "bindings"))
pytest.register_assert_rewrite("test_aio_server", "test_aio_server_life", "aio_support")

from test_aio_server import *  # noqa: E402, F403
from test_aio_server_life import *  # noqa: E402, F403


@pytest.fixture
def stack(broker, base):
    return MqttStack(broker.url(base))  # noqa: F405
