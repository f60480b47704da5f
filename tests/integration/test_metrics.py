"""--metrics of both daemons: what Prometheus reads there are the calls that were made."""

import http.client
import re
import signal
import socket
import urllib.error
import urllib.request

import grpc
import pytest
from prometheus_client.parser import text_string_to_metric_families
from session import eventually
from stack import GATEWAY, PATIENCE, PROXY, Process, free_port

R = "/test.relay.v1.Relay/"
MINE = "grpc_mqtt_"


def get(port, path="/metrics"):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=PATIENCE) as reply:
        return reply.read().decode()


def scrape(port):
    """(name, labels) -> value; every family typed, named once, its samples together."""
    samples, families = {}, []
    for family in text_string_to_metric_families(get(port)):
        assert family.type != "unknown" and family.documentation, family.name
        families.append(family.name)
        for sample in family.samples:
            key = (sample.name, frozenset(sample.labels.items()))
            assert key not in samples
            samples[key] = sample.value
    assert len(families) == len(set(families))
    return samples


def value(samples, name, **labels):
    return samples.get((MINE + name, frozenset(labels.items())), 0)


def calls(samples, method, code):
    return value(samples, "calls_total", method=R + method, code=code)


@pytest.fixture
def pair(broker, base, server, relay_protoset, start_gateway, start_proxy):
    """A proxy's channel, and the ports of the proxy's and the gateway's metrics."""
    mine, other = free_port(), free_port()
    start_gateway(
        broker.url(base),
        (relay_protoset, server.target),
        arguments=("--metrics", f"127.0.0.1:{mine}"),
    )
    proxy = start_proxy(
        broker.url(base), "--descriptors", relay_protoset, "--metrics", f"127.0.0.1:{other}"
    )
    with grpc.insecure_channel(proxy.target) as channel:
        yield channel, other, mine


def make_calls(channel):
    for n in range(3):
        channel.unary_unary(R + "Echo")(b"x" * 1000 * n, timeout=PATIENCE)
    with pytest.raises(grpc.RpcError):
        channel.unary_unary(R + "Fail")(b"5", timeout=PATIENCE)
    with pytest.raises(grpc.RpcError):
        channel.unary_unary('/no.such."One"/Method')(b"", timeout=PATIENCE)


def test_calls_are_counted(pair):
    channel, proxy, gateway = pair
    make_calls(channel)

    def counted(port):
        samples = scrape(port)
        return calls(samples, "Echo", "OK") == 3 and calls(samples, "Fail", "NOT_FOUND") == 1

    for port in (proxy, gateway):
        eventually(lambda port=port: counted(port))
        samples = scrape(port)
        assert calls(samples, "Echo", "OK") == 3
        assert calls(samples, "Fail", "OK") == 0
        duration = "call_duration_seconds_"
        limits = [key for key in samples if key[0] == MINE + duration + "bucket"]
        rows = sorted(
            (float(dict(labels)["le"]), samples[name, labels])
            for name, labels in limits
            if dict(labels)["method"] == R + "Echo"
        )
        assert len(rows) == 16 and rows[-1] == (float("inf"), 3)
        assert [count for _, count in rows] == sorted(count for _, count in rows)
        assert value(samples, duration + "count", method=R + "Echo") == 3
        assert 0 < value(samples, duration + "sum", method=R + "Echo") < 3 * PATIENCE
        assert value(samples, "connected") == 1
        assert value(samples, "open_calls") == 0
        assert value(samples, "reconnects_total") == 0
        assert value(samples, "bytes_total", direction="in") > 3000
        assert value(samples, "bytes_total", direction="out") > 3000
        assert value(samples, "packets_total", direction="in") > 0
        assert value(samples, "queue_bytes", queue="unsent") == 0
        assert value(samples, "mqtt_calls_finished_total", code="OK") == 3
        assert value(samples, "mqtt_calls_finished_total", code="NOT_FOUND") == 1
    other = {"method": "other", "code": "UNIMPLEMENTED"}
    eventually(lambda: value(scrape(proxy), "calls_total", **other) == 1)
    assert "no.such" not in get(proxy)
    assert value(scrape(proxy), "bases") == 1


def test_an_open_call_is_seen(pair):
    channel, proxy, gateway = pair
    call = channel.unary_unary(R + "Hang").future(b"", timeout=PATIENCE)
    for port in (proxy, gateway):
        eventually(lambda port=port: value(scrape(port), "open_calls") == 1)
    call.cancel()
    for port in (proxy, gateway):
        eventually(lambda port=port: calls(scrape(port), "Hang", "CANCELLED") == 1)
        eventually(lambda port=port: value(scrape(port), "open_calls") == 0)


def test_counters_outlive_connections(
    broker, base, server, relay_protoset, start_gateway, start_proxy
):
    """A base topic that the proxy has left still counts."""
    port = free_port()
    start_gateway(broker.url(base), (relay_protoset, server.target))
    proxy = start_proxy(
        f"mqtt://127.0.0.1:{broker.port}",
        *("--descriptors", relay_protoset, "--allow", "#"),
        *("--base-idle", "0.05", "--metrics", f"127.0.0.1:{port}"),
    )
    to = (("grpc-mqtt-base", base),)
    with grpc.insecure_channel(proxy.target) as channel:
        channel.unary_unary(R + "Echo")(b"x", metadata=to, timeout=PATIENCE)
    eventually(lambda: value(scrape(port), "bases") == 0)
    eventually(lambda: value(scrape(port), "connected") == 0)
    assert value(scrape(port), "mqtt_calls_finished_total", code="OK") == 1
    assert calls(scrape(port), "Echo", "OK") == 1


def test_http(pair):
    _, port, _ = pair
    assert "/metrics" in get(port, "/")
    with pytest.raises(urllib.error.HTTPError) as caught:
        get(port, "/elsewhere")
    assert caught.value.code == 404
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    for method, status in (("HEAD", 200), ("POST", 405), ("GET", 200)):  # one connection
        connection.request(method, "/metrics", body=b"x" * 100 if method == "POST" else None)
        reply = connection.getresponse()
        body = reply.read()
        assert reply.status == status and bool(body) == (method != "HEAD")
    assert reply.getheader("Content-Type").startswith("text/plain; version=0.0.4")
    connection.close()


def failing(program, *arguments):
    process = Process(program, "-L", "mqtt://127.0.0.1:1/a", *arguments)
    try:
        assert process.wait() == 1, process.lines
    finally:
        process.stop(signal.SIGKILL)
    (line,) = process.lines
    return line


@pytest.mark.parametrize("address", ["9464", ":9464", "127.0.0.1:", "127.0.0.1:http:x"])
def test_bad_address(address):
    assert address in failing(PROXY, "--listen", "127.0.0.1:0", "--metrics", address)


def test_port_in_use(relay_protoset):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        served = ("--descriptors", relay_protoset, "--target", "127.0.0.1:2")
        for line in (
            failing(PROXY, "--listen", "127.0.0.1:0", "--metrics", address),
            failing(GATEWAY, *served, "--metrics", address),
        ):
            assert re.search(rf"--metrics {address}: Address already in use", line)
