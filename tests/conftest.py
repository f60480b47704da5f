"""Fixtures that several suites use."""

import signal
import zlib

import pytest
from stack import BUILD, GATEWAY, PROXY, ROOT, Broker, Gateway, Proxy, protoset

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell that runs the tests in the background has them ignore SIGINT; some tests send it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    # Likewise nohup. A handler that does nothing is as good for us, and no child inherits it.
    signal.signal(signal.SIGHUP, lambda *_: None)


@pytest.fixture(scope="session")
def broker(tmp_path_factory):
    """One mosquitto for all tests that do not harm it. Every test has a base topic of its own."""
    started = Broker(tmp_path_factory.mktemp("mosquitto"))
    yield started
    started.stop()


@pytest.fixture(scope="session")
def demo_protoset(tmp_path_factory):
    return protoset(tmp_path_factory.mktemp("protoset"), ROOT / "docs/examples/proto/demo.proto")


@pytest.fixture
def base(request):
    """A base topic that no other test uses; two levels, as users have them."""
    test = request.node.nodeid
    name = "".join(c if c.isalnum() else "_" for c in test.split("::", 1)[-1])
    return f"tests/{name[:51]}_{zlib.crc32(test.encode()):08x}"


@pytest.fixture
def start_gateway():
    """Gateway(...) that is stopped after the test, and must end in order even then."""
    if not GATEWAY.exists():
        pytest.fail(f"{GATEWAY} is missing: build first, or set GMQ_BUILD_DIR (now {BUILD})")
    started = []

    def start(*args, **kwargs):
        started.append(Gateway(*args, **kwargs))
        return started[-1]

    yield start
    alive = [gateway for gateway in started if gateway.running]
    statuses = [gateway.stop() for gateway in alive]
    said = "\n".join(line for gateway in started for line in gateway.lines)
    assert statuses == [0] * len(alive), said
    assert "Sanitizer" not in said, said


@pytest.fixture
def start_proxy():
    """Proxy(...), likewise."""
    if not PROXY.exists():
        pytest.fail(f"{PROXY} is missing: build first, or set GMQ_BUILD_DIR (now {BUILD})")
    started = []

    def start(*args, **kwargs):
        started.append(Proxy(*args, **kwargs))
        return started[-1]

    yield start
    alive = [proxy for proxy in started if proxy.running]
    statuses = [proxy.stop() for proxy in alive]
    said = "\n".join(line for proxy in started for line in proxy.lines)
    assert statuses == [0] * len(alive), said
    assert "Sanitizer" not in said, said
