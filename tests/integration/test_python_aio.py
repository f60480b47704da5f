"""grpc_mqtt.aio.channel over a real broker: to a gmq.Server, and by the gateway to a grpcio server.

The tests are those of tests/bindings.
"""

import sys

import pytest
from stack import ROOT

sys.path.insert(0, str(ROOT / "tests" / "bindings"))
pytest.register_assert_rewrite("test_aio_channel", "test_aio_interceptors", "aio_support")

from test_aio_channel import *  # noqa: E402, F403
from test_aio_interceptors import *  # noqa: E402, F403
from test_python_channel import echo, mqtt_server  # noqa: E402, F401
