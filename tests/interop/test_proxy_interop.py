"""grpcio's interop client and interop server, with proxy and gateway between them."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from stack import PATIENCE, Gateway, Process, Proxy, free_port, protoset

sys.path.insert(0, str(Path(__file__).parent / "grpcio_suite"))

from suite import HERE, Suite

CASES = (
    "empty_unary",
    "large_unary",
    "client_streaming",
    "server_streaming",
    "ping_pong",
    "empty_stream",
    "custom_metadata",
    "status_code_and_message",
    "special_status_message",
    "unimplemented_method",
    "unimplemented_service",
    "cancel_after_begin",
    "cancel_after_first_response",
    "timeout_on_sleeping_server",
)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]  # the first test fetches


@pytest.fixture(scope="module")
def suite():
    if shutil.which("apt-get") is None:
        pytest.skip("the tests come from Debian's source package: no apt-get here")
    return Suite()


@pytest.fixture(scope="module")
def environment(suite):
    paths = os.pathsep.join(map(str, (suite.tests, suite.generated)))
    return {"PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": "1"}


@pytest.fixture(scope="module")
def interop_server(suite, environment):
    port = free_port()
    words = ("-W", "ignore", "-c", SERVE, port)
    server = Process(suite.python, *words, env=environment)
    server.expect("serving")
    yield f"127.0.0.1:{port}"
    server.stop()


# The interop server's own main program listens on [::] with whatever else has the port.
SERVE = """
import sys
from concurrent import futures
import grpc
from src.proto.grpc.testing import test_pb2_grpc
from tests.interop import service
server = grpc.server(futures.ThreadPoolExecutor(8), options=[("grpc.so_reuseport", 0)])
test_pb2_grpc.add_TestServiceServicer_to_server(service.TestService(), server)
server.add_insecure_port("127.0.0.1:" + sys.argv[1])
server.start()
print("serving", flush=True)
server.wait_for_termination()
"""


@pytest.fixture(scope="module", params=["link", "session"])
def outcomes(request, suite, environment, interop_server, broker, tmp_path_factory):
    """Of each case: what went wrong, or None."""
    directory = tmp_path_factory.mktemp("interop")
    proto = suite.source / "src/proto/grpc/testing/test.proto"
    methods = protoset(directory, proto, suite.source)
    base = f"tests/proxy_interop_{request.param}"
    gateway = Gateway(broker.url(base), (methods, interop_server))
    proxy = Proxy(broker.url(base, dialect=request.param), "--descriptors", methods)
    try:
        client = subprocess.run(
            [suite.python, "-W", "ignore", HERE / "interop_client.py", proxy.target, *CASES],
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            text=True,
            timeout=6 * PATIENCE,
            check=True,
        )
    finally:
        assert [proxy.stop(), gateway.stop()] == [0, 0]
    return dict(json.loads(line) for line in client.stdout.splitlines())


@pytest.mark.parametrize("case", CASES)
def test_case(outcomes, case):
    assert outcomes[case] is None, outcomes[case]
