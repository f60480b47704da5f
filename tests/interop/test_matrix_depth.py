"""What goes along with a call, and how it ends: Python, Lua and C in all pairs, in both dialects.

`peers/` has a server of demo.v1.Demo and a client in each language. A client sends with every call

    x-do: TASK, x-text: one, x-text: two, x-raw-bin: 00 ff, x-raw-bin: (nothing)

The server sends back what begins with x- as initial metadata, with `x-timed: yes` where it knows a
deadline of at most 20 s, and as trailing metadata; and does what the task says:

    echo    answers: SayHello with the name, Collect with sum and count, streams with the same again
    fail    ends ABORTED, "as asked: ü", with x-why-bin: 00 ff and details of the status behind it
    wait    waits for the end of the call, which is the client's doing, or the deadline's
    count   (SayHello) answers with the number of calls that are waiting

For each method the client says how `echo` and `fail` went, a `wait` of 0.3 s, and one that it
cancels when the server has it (by `count`). After the last two it asks for `count` until the server
has noticed, too.
"""

import sys

import pytest
from stack import BUILD, ROOT, Process
from test_matrix import LUA_ENV, output

PEERS = ROOT / "tests" / "interop" / "peers"
ECHO = {"SayHello": "x", "Collect": "6 3", "Count": "1,2,3", "Chat": "a,ü"}
OWN = "x-do=echo;x-raw-bin=00ff;x-raw-bin=;x-text=one;x-text=two"
FAILED = "grpc-status-details-bin=080a;x-why-bin=00ff"


def command(language, role, url, protoset):
    return {
        "python": [sys.executable, PEERS / "peer.py", role, url],
        "lua": ["lua5.4", PEERS / "peer.lua", role, url, protoset],
        "c": [BUILD / "tests" / f"peer_{role}", url],
    }[language]


@pytest.fixture(scope="module")
def serve(broker, demo_protoset):
    """serve(language): the URL of a server that is ready."""
    started = {}

    def start(language):
        url = broker.url(f"depth/{language}")
        if url not in started:
            started[url] = Process(*command(language, "server", url, demo_protoset), env=LUA_ENV)
            started[url].expect("ready: ")
        return url

    yield start
    statuses = {url: process.stop() for url, process in started.items()}
    assert all(url.endswith("lua") or status == 0 for url, status in statuses.items()), statuses


def by_key(metadata):
    """The order of different keys is nobody's promise."""
    return ";".join(sorted(metadata.split(";"), key=lambda pair: pair.split("=")[0]))


@pytest.mark.parametrize("dialect", ["session", "link"])
@pytest.mark.parametrize("server", ["python", "lua", "c"])
@pytest.mark.parametrize("client", ["python", "lua", "c"])
def test_what_goes_along(serve, demo_protoset, client, server, dialect):
    url = f"{serve(server)}?dialect={dialect}"
    said = output(*command(client, "client", url, demo_protoset), env=LUA_ENV)
    told = {}
    for line in said.splitlines():
        method, task, *rest = line.split("|")
        told[method, task] = rest
    expected = {}
    for method, answer in ECHO.items():
        expected[method, "echo"] = ["OK", answer, f"{OWN};x-timed=yes", OWN]
        expected[method, "fail"] = ["ABORTED", "as asked: ü", FAILED]
        expected[method, "late"] = ["DEADLINE_EXCEEDED"]
        expected[method, "cancel"] = ["CANCELLED"]
        echo, fail = told[method, "echo"], told[method, "fail"]
        told[method, "echo"] = [*echo[:2], by_key(echo[2]), by_key(echo[3])]
        told[method, "fail"] = [*fail[:2], by_key(fail[2])]
    assert told == expected
