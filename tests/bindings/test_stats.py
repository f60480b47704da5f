"""Numbers of the SWIG modules, as dicts."""

import grpc
import pytest
from session import eventually

import grpc_mqtt
from grpc_mqtt import gmq

URL = "loopback://stats/base"


def test_client_and_server():
    queue, methods = gmq.Queue(), gmq.MethodMap()
    methods.add("/a.A/B", gmq.RPC_UNARY)
    server = gmq.Server(URL, None, methods, queue, 1)
    client = gmq.Client(URL, None, methods, queue, 2)
    for numbers in (client.stats(), server.stats()):
        assert all(isinstance(k, str) and isinstance(v, int) for k, v in numbers.items())
        assert numbers["calls_started"] == numbers["calls_open"] == 0
        assert numbers['calls_finished{code="OK"}'] == 0
    eventually(lambda: server.stats()["connected"] == 1)
    call = client.start_with("/a.A/B", gmq.RPC_UNARY, None, -1, None, 3, b"x", 1)
    eventually(lambda: client.stats()["calls_open"] == 1)
    call.cancel()
    eventually(lambda: client.stats()['calls_finished{code="CANCELLED"}'] == 1)
    assert client.stats()["calls_started"] == 1
    client.close(0)
    server.close(0)
    with pytest.raises(TypeError):
        client.stats(1)


def test_gateway():
    gateway_module = pytest.importorskip("grpc_mqtt.gmq_gateway")
    queue, methods = gmq.Queue(), gmq.MethodMap()
    methods.add("/a.A/B", gmq.RPC_UNARY)
    methods.bind(None, "127.0.0.1:1")
    gateway = gateway_module.Gateway("loopback://stats-gateway/base", None, methods, queue, 1)
    eventually(lambda: gateway.stats()["connected"] == 1)
    with grpc_mqtt.channel("loopback://stats-gateway/base") as channel:
        with pytest.raises(grpc.RpcError):
            channel.unary_unary("/a.A/B")(b"", timeout=20)
    row = 'method_calls{method="/a.A/B",code="UNAVAILABLE"}'
    eventually(lambda: gateway.stats().get(row) == 1)
    assert gateway.stats()['method_duration_count{method="/a.A/B"}'] == 1
    gateway.close(0)
