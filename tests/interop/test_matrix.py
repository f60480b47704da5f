"""Python, Lua and C, each as client and as server, all four kinds of RPC, in both dialects.

What runs are the examples, on a mosquitto, each program a process of its own.
"""

import os
import subprocess
import sys

import pytest
from stack import BUILD, PATIENCE, ROOT, Process

EXAMPLES = ROOT / "docs" / "examples"
LUA_MODULES = BUILD / "lib" / "lua" / "5.4"
LUA_ENV = {"LUA_PATH": f"{LUA_MODULES}/?.lua;;", "LUA_CPATH": f"{LUA_MODULES}/?.so;;"}
LANGUAGES = ["python", "lua", "c", "typed_c"]  # typed: by the generator's functions

UNARY = "Hello, world!"
COLLECT = "sum of 100 values: 5050"
COUNT = "1 2 3 4 5 6 7 8 9 10"
CHAT = "one, two, three"
REFUSED = "INVALID_ARGUMENT: a name is needed"


def output(*command, env=None, status=0):
    """What a program says that ends with `status`."""
    done = subprocess.run(
        [str(word) for word in command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=2 * PATIENCE,
        env={**os.environ, **(env or {})},
        check=False,
    )
    assert done.returncode == status, f"{command}: {done.returncode}\n{done.stdout}"
    return done.stdout


# ---- Servers: one of each language, for clients of either dialect


@pytest.fixture(scope="module")
def serve(broker, demo_protoset):
    """serve(language): the URL of a server that is ready."""
    started = {}

    def start(language):
        url = broker.url(f"matrix/{language}")
        commands = {
            "python": [sys.executable, EXAMPLES / "python" / "serving.py", url],
            "lua": ["lua5.4", EXAMPLES / "lua" / "server.lua", url, demo_protoset],
            "c": [BUILD / "bin" / "server", url],
            "typed_c": [BUILD / "bin" / "typed_server", url],
        }
        if url not in started:
            started[url] = Process(*commands[language], env=LUA_ENV)
            started[url].expect("ready: ")
        return url

    yield start
    for process in started.values():
        process.stop()


# ---- Clients: the answers of unary, client streaming, server streaming, bidi, and an error


def by_lines(said):
    """Of `what   answer   [time ms]` lines, the answers."""
    rows = [line[18:].strip() for line in said.splitlines()]
    return [" ".join(row.split()[:-2]) if row.endswith(" ms") else row for row in rows]


def ask_python(url, _protoset):
    answers = by_lines(output(sys.executable, EXAMPLES / "python" / "client.py", url))
    return [answers[0], *answers[2:6]]


def ask_lua(url, protoset):
    said = output("lua5.4", EXAMPLES / "lua" / "client.lua", url, protoset, env=LUA_ENV)
    return by_lines(said)[:5]


def ask_c(url, _protoset):
    binaries = BUILD / "bin"
    return [
        output(binaries / "unary", url, "world").strip(),
        output(binaries / "client_streaming", url, "100").strip(),
        " ".join(output(binaries / "server_streaming", url, "1", "10").split()),
        ", ".join(output(binaries / "bidi", url, "one", "two", "three").split()),
        output(binaries / "unary", url, "", status=1).strip(),
    ]


def ask_typed_c(url, _protoset):
    client = BUILD / "bin" / "typed_client"
    said = output(client, url).splitlines()
    refused = output(client, url, "unary", "", status=1).strip()
    return [said[0], said[1], " ".join(said[2:12]), ", ".join(said[12:]), refused]


CLIENTS = {"python": ask_python, "lua": ask_lua, "c": ask_c, "typed_c": ask_typed_c}


@pytest.mark.parametrize("dialect", ["session", "link"])
@pytest.mark.parametrize("server", LANGUAGES)
@pytest.mark.parametrize("client", LANGUAGES)
def test_all_kinds(serve, demo_protoset, client, server, dialect):
    url = f"{serve(server)}?dialect={dialect}"
    answers = CLIENTS[client](url, demo_protoset)
    assert answers == [UNARY, COLLECT, COUNT, CHAT, REFUSED]
