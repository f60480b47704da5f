"""The sync server as a whole: what it serves, how many calls, how it starts and stops.

Each test that takes `serve` runs with grpcio's server and channel too, which thereby says what is
right, then with ours over the in-process broker and over mosquitto.
"""

import logging
import threading
from concurrent import futures

import grpc
import pytest
from service_rig import SOON, Handlers, call, echo, ends, failure, unary, uu

import grpc_mqtt


def test_concurrency_limit(serve):
    began = threading.Event()
    served = serve(Unary=uu(echo), Hang=uu(ends(began)), maximum_concurrent_rpcs=1)
    call(served)
    first = unary(served, "Hang").future(b"")
    assert began.wait(SOON)
    refused = (grpc.StatusCode.RESOURCE_EXHAUSTED, "Concurrent RPC limit exceeded!")
    assert failure(lambda: unary(served)(b"")) == refused
    assert failure(lambda: unary(served, "Nope")(b""))[0] is grpc.StatusCode.UNIMPLEMENTED
    first.cancel()
    again = threading.Event()
    for _ in range(200):
        try:
            assert unary(served)(b"again") == b"again"
            break
        except grpc.RpcError:
            again.wait(0.05)
    else:
        pytest.fail("the limit stayed")


def test_registered_methods(serve):
    """They come before generic ones, which are not asked."""
    served = serve(Unary=uu(echo), begin=False)
    if not hasattr(served.server, "add_registered_method_handlers"):
        pytest.skip("newer grpcio has it")
    served.server.add_registered_method_handlers(
        "test.S", {"Unary": uu(lambda request, context: b"registered")}
    )
    served.start()
    assert call(served)[0] == b"registered"
    assert served.handlers.asked == []
    served.server.add_registered_method_handlers("test.S", {"Late": uu(echo)})
    assert failure(lambda: unary(served, "Late")(b""))[0] is grpc.StatusCode.UNIMPLEMENTED


def test_handlers_added_later(serve):
    served = serve(Unary=uu(echo))
    call(served)
    served.server.add_generic_rpc_handlers((Handlers(Late=uu(echo)),))
    assert unary(served, "Late")(b"y") == b"y"


def test_things_that_are_no_handlers(serve):
    with pytest.raises(AttributeError, match="service"):
        serve(begin=False).server.add_generic_rpc_handlers((object(),))
    with pytest.raises(AttributeError, match="service"):
        serve(begin=False, handlers=(object(),))


def test_handlers_of_the_constructor(serve):
    served = serve(handlers=(Handlers(Unary=uu(echo)),))
    assert call(served)[0] == b"x"


def test_start_twice(serve):
    served = serve(Unary=uu(echo))
    with pytest.raises(ValueError):
        served.server.start()


def test_ports(serve):
    server = serve(begin=False).server
    assert server.add_insecure_port("127.0.0.1:0") > 0


def test_stop_before_start(serve):
    assert serve(begin=False).server.stop(None).wait(SOON)


def test_stop_without_grace(serve):
    began = threading.Event()
    served = serve(Unary=uu(echo), Hang=uu(ends(began)))
    call(served)
    future = unary(served, "Hang").future(b"")
    assert began.wait(SOON)
    assert served.server.stop(None).is_set()
    assert future.code() is grpc.StatusCode.UNAVAILABLE
    assert served.server.wait_for_termination(SOON) is False
    assert served.server.stop(None).is_set()


def test_stop_with_grace(serve):
    began, go = threading.Event(), threading.Event()

    def behavior(request, context):
        began.set()
        go.wait(SOON)
        return request

    served = serve(Unary=uu(echo), Slow=uu(behavior))
    call(served)
    future = unary(served, "Slow").future(b"slow")
    assert began.wait(SOON)
    stopped = served.server.stop(SOON)
    assert not stopped.is_set()
    refused = failure(lambda: unary(served)(b""))[0]
    if served.name == "grpcio":  # a call that its server has taken and not handed out is CANCELLED
        assert refused in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)
    else:
        assert refused is grpc.StatusCode.UNAVAILABLE
    assert served.server.wait_for_termination(0.01) is True
    go.set()
    assert future.result(SOON) == b"slow"
    assert stopped.wait(SOON)


def test_grace_that_runs_out(serve):
    began = threading.Event()
    served = serve(Unary=uu(echo), Hang=uu(ends(began)))
    call(served)
    future = unary(served, "Hang").future(b"")
    assert began.wait(SOON)
    long = served.server.stop(600)
    assert served.server.stop(0.1).wait(SOON)
    assert long.wait(SOON)
    assert future.code() is grpc.StatusCode.UNAVAILABLE


def test_wait_for_termination_in_a_thread(serve):
    served = serve(Unary=uu(echo))
    results = []
    thread = threading.Thread(target=lambda: results.append(served.server.wait_for_termination()))
    thread.start()
    served.server.stop(None)
    thread.join(SOON)
    assert results == [False]


def test_server_that_is_forgotten_stops(serve):
    """New calls are refused; open ones go on."""
    began, go = threading.Event(), threading.Event()

    def behavior(request, context):
        began.set()
        go.wait(SOON)
        return request

    served = serve(Unary=uu(echo), Slow=uu(behavior))
    call(served)
    future = unary(served, "Slow").future(b"slow")
    assert began.wait(SOON)
    served.forget()
    pause = threading.Event()
    for _ in range(200):
        try:
            unary(served)(b"")
        except grpc.RpcError as error:
            assert error.code() is grpc.StatusCode.UNAVAILABLE
            break
        pause.wait(0.05)
    else:
        pytest.fail("it still serves")
    go.set()
    assert future.result(SOON) == b"slow"


def test_thread_pool_that_is_shut_down(serve, caplog):
    served = serve(Unary=uu(echo))
    if served.name == "grpcio":
        pytest.skip("there the server's thread dies of it")
    call(served)
    served.pool.shutdown(wait=True)
    with caplog.at_level(logging.CRITICAL):
        assert failure(lambda: unary(served)(b""))[0] is grpc.StatusCode.UNAVAILABLE


# ---- Ours alone


def test_bad_arguments():
    with pytest.raises(grpc_mqtt.UrlError):
        grpc_mqtt.server("http://here/base", None)
    with pytest.raises(grpc_mqtt.OptionError, match="max_calls"):
        grpc_mqtt.server("loopback://x/base", None, options={"max_calls": 0})
    with pytest.raises(grpc_mqtt.UnsupportedError):
        grpc_mqtt.server("loopback://x/base", None, xds=True)
    with pytest.raises(grpc_mqtt.OptionError, match="nonsense"):
        grpc_mqtt.server("loopback://x/base", None, options={"nonsense": 1}).start()


def test_receive_limit():
    pool = futures.ThreadPoolExecutor(1)
    url = "loopback://limits/base"
    options = [("grpc.max_receive_message_length", 100), ("grpc.so_reuseport", 0)]
    server = grpc_mqtt.server(url, pool, (Handlers(Unary=uu(echo)),), options=options)
    server.start()
    with grpc_mqtt.channel(url) as channel:
        call = channel.unary_unary("/test.S/Unary")
        assert call(bytes(100)) == bytes(100)
        assert failure(lambda: call(bytes(101)))[0] is grpc.StatusCode.RESOURCE_EXHAUSTED
    server.stop(None)


def test_broker_that_is_not_there(caplog):
    """start() says so and goes on; stop() does not wait for the broker."""
    server = grpc_mqtt.server("mqtt://127.0.0.1:1/base", futures.ThreadPoolExecutor(1))
    with caplog.at_level(logging.WARNING, "grpc_mqtt"):
        server.start()
    assert "127.0.0.1:1" in caplog.text
    assert server.stop(None).is_set()
