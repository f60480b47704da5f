"""The Lua module: its busted specs, the examples, its installation, its memory."""

import math
import os
import random
import re
import shutil
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from google.protobuf import descriptor_pb2, message_factory
from stack import BUILD, PATIENCE, ROOT, Broker, Process, protoset

SPECS = Path(__file__).parent
EXAMPLES = ROOT / "docs" / "examples" / "lua"
GUIDE = ROOT / "docs" / "guide" / "lua.md"
MODULES = BUILD / "lib" / "lua" / "5.4"
BUSTED = Path("/usr/bin/busted")
FENCE = re.compile(r"^```lua\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def run(*command, env=None, patience=3 * PATIENCE):
    """Runs to the end, which must be a good one; what it said."""
    done = subprocess.run(
        [str(word) for word in command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=patience,
        env={**os.environ, **(env or {})},
        check=False,
    )
    assert done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout}"
    return done.stdout


def paths(modules=MODULES, libraries=MODULES):
    return {"LUA_PATH": f"{SPECS}/?.lua;{modules}/?.lua;;", "LUA_CPATH": f"{libraries}/?.so;;"}


@pytest.fixture(scope="module")
def lua(tmp_path_factory, demo_protoset):
    """The environment in which Lua finds the module, and the specs find their schemas."""
    if not (MODULES / "grpc_mqtt" / "core.so").exists():
        pytest.fail(f"no Lua module in {MODULES}: build with GMQ_BUILD_LUA=ON")
    made = tmp_path_factory.mktemp("lua")
    return {
        **paths(),
        "GMQ_DEMO": str(demo_protoset),
        "GMQ_KINDS": str(protoset(made, SPECS / "kinds.proto")),
        "GMQ_OLD": str(protoset(made, SPECS / "old.proto")),
        "GMQ_OPTIONS": str(protoset(made, ROOT / "tests/fixtures/protos/options_service.proto")),
    }


def busted(lua, spec, url, dialect):
    if not BUSTED.exists():
        pytest.fail("busted is missing: apt-get install lua-busted")
    env = {**lua, "GMQ_URL": url, "GMQ_RUN": f"{spec}_{dialect}", "GMQ_DIALECT": dialect}
    said = run("lua5.4", BUSTED, "-o", "plainTerminal", SPECS / f"{spec}_spec.lua", env=env)
    assert re.search(r"^[1-9]\d* success", said, re.MULTILINE), said


@pytest.mark.parametrize("spec", ["core", "codec", "calls", "server", "run", "loops"])
def test_spec(lua, spec):
    busted(lua, spec, "loopback://lua", "auto")


@pytest.mark.parametrize("dialect", ["session", "link"])
@pytest.mark.parametrize("spec", ["calls", "server", "loops"])
def test_spec_over_mosquitto(lua, spec, broker, dialect):
    busted(lua, spec, f"mqtt://127.0.0.1:{broker.port}", dialect)


def test_every_spec_is_run():
    names = {path.name.removesuffix("_spec.lua") for path in SPECS.glob("*_spec.lua")}
    assert names == {"core", "codec", "calls", "server", "run", "loops"}


# ---- Messages, against Python's protobuf


def random_value(rng, field):
    kinds = {
        field.CPPTYPE_DOUBLE: lambda: rng.choice([0.0, -1.5, 1e300, math.inf, rng.random()]),
        field.CPPTYPE_FLOAT: lambda: rng.choice([0.0, 0.5, -math.inf, 1.5 * 2**100]),
        field.CPPTYPE_BOOL: lambda: rng.random() < 0.5,
        field.CPPTYPE_ENUM: lambda: rng.choice([0, 1, 2, 99, -1]),
        field.CPPTYPE_INT32: lambda: rng.choice([0, 1, -1, 2**31 - 1, -(2**31)]),
        field.CPPTYPE_UINT32: lambda: rng.choice([0, 1, 2**32 - 1]),
        field.CPPTYPE_INT64: lambda: rng.choice([0, 1, -1, 2**63 - 1, -(2**63), 2**53 + 1]),
        field.CPPTYPE_UINT64: lambda: rng.choice([0, 1, 2**64 - 1, 2**63, 2**53 + 1]),
    }
    if field.type == field.TYPE_BYTES:
        return rng.randbytes(rng.choice([0, 1, 40]))
    if field.type == field.TYPE_STRING:
        letters = "a\0\u00e9\u20ac\U0001f600"
        return "".join(rng.choices(letters, k=rng.choice([0, 1, 30])))
    return kinds[field.cpp_type]()


def fill(rng, message, depth=0):
    """Sets some of its fields to something."""
    for field in message.DESCRIPTOR.fields:
        if rng.random() < 0.6:
            continue
        target = getattr(message, field.name)
        if field.message_type and field.message_type.GetOptions().map_entry:
            key, value = field.message_type.fields
            for _ in range(rng.randrange(4)):
                if value.message_type:
                    fill(rng, target[random_value(rng, key)], depth + 1)
                else:
                    target[random_value(rng, key)] = random_value(rng, value)
        elif isinstance(target, Sequence) and not isinstance(target, str | bytes):
            for _ in range(rng.randrange(4)):
                if field.message_type:
                    fill(rng, target.add(), depth + 1)
                else:
                    target.append(random_value(rng, field))
        elif field.message_type:
            if depth < 3:
                target.SetInParent()
                fill(rng, target, depth + 1)
        else:
            setattr(message, field.name, random_value(rng, field))


def test_messages_against_python(lua):
    """What protobuf for Python writes becomes tables, and from these the same messages."""
    files = descriptor_pb2.FileDescriptorSet.FromString(Path(lua["GMQ_KINDS"]).read_bytes())
    every = message_factory.GetMessages(files.file)["test.lua.All"]
    rng = random.Random(20)
    messages = [every() for _ in range(200)]
    for message in messages:
        fill(rng, message)
    lines = "".join(message.SerializeToString().hex() + "\n" for message in messages)
    assert len(lines) > 20000
    done = subprocess.run(
        ["lua5.4", SPECS / "recode.lua"],
        input=lines,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        env={**os.environ, **lua},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    back = [every.FromString(bytes.fromhex(line)) for line in done.stdout.splitlines()]
    assert len(back) == len(messages)
    for mine, theirs in zip(messages, back, strict=True):
        assert mine == theirs


# ---- Examples


@pytest.fixture
def server(lua, broker, base, demo_protoset):
    """The example server; its URL."""
    url = broker.url(base)
    process = Process("lua5.4", EXAMPLES / "server.lua", url, demo_protoset, env=lua)
    process.expect("ready: ")
    yield url
    process.stop()
    assert not [line for line in process.lines if "error" in line], process.lines


def test_client_example(lua, server, demo_protoset):
    said = run("lua5.4", EXAMPLES / "client.lua", server, demo_protoset, env=lua)
    assert [line.split(None, 1)[0] for line in said.splitlines()] == [
        "unary",
        "client",
        "server",
        "bidi",
        "an",
        "in",
    ], said
    assert "Hello, world!" in said
    assert "sum of 100 values: 5050" in said
    assert " 1 2 3 4 5 6 7 8 9 10\n" in said
    assert "one, two, three" in said
    assert "INVALID_ARGUMENT: a name is needed" in said
    assert "50 calls at a time" in said


@pytest.mark.parametrize("loop", ["luv", "cqueues"])
def test_loop_example(lua, server, demo_protoset, loop):
    said = run("lua5.4", EXAMPLES / f"on_{loop}.lua", server, demo_protoset, env=lua)
    assert re.search(r"Hello, \w+!\s+and the \w+ went on", said), said


def test_readme(lua, server, demo_protoset, tmp_path):
    shutil.copy(demo_protoset, tmp_path / "demo.protoset")
    (script,) = FENCE.findall((ROOT / "README.md").read_text())
    script = script.replace("mqtt://127.0.0.1:1883/fleet/device42", server)
    assert server in script
    (tmp_path / "readme.lua").write_text(script)
    said = run("sh", "-c", f"cd {tmp_path} && lua5.4 readme.lua", env=lua)
    assert said == "Hello, you!\n1\n2\n3\n"


# ---- Embedding


def test_embedding_example(lua, demo_protoset, tmp_path):
    """From a directory of the host's own, with no help from the environment."""
    shutil.copytree(MODULES, tmp_path / "modules", symlinks=False)
    env = {"LUA_PATH": "", "LUA_CPATH": ""}
    said = run(BUILD / "bin" / "embed", tmp_path / "modules", demo_protoset, env=env)
    assert said.splitlines() == ["Hello, C!", "Hello, C!", "both states are closed"]


def valgrind(*command, env=None):
    if not shutil.which("valgrind"):
        pytest.fail("valgrind is missing: apt-get install valgrind")
    kinds = "definite,indirect"  # "possible" are the stacks of threads of the loopback broker
    flags = [f"--show-leak-kinds={kinds}", f"--errors-for-leak-kinds={kinds}"]
    words = ["valgrind", "--quiet", "--leak-check=full", *flags, "--error-exitcode=99", *command]
    return run(*words, env=env, patience=5 * PATIENCE)


def test_states_are_freed_whole(lua, demo_protoset):
    """Several states of a process, closed in either order."""
    valgrind(BUILD / "bin" / "embed", MODULES, demo_protoset)


def test_nothing_leaks(lua):
    """Bad input of every sort, calls and coroutines left lying about, then the end of the state."""
    assert "done" in valgrind("lua5.4", SPECS / "leaks.lua", env=lua)


def test_nothing_leaks_without_memory(lua):
    """At every allocation of Lua's that may fail."""
    assert "done" in valgrind(BUILD / "tests" / "lua_nomem", SPECS / "nomem.lua", env=lua)


@pytest.mark.parametrize("transport", ["loopback", "mosquitto"])
def test_states_in_threads(lua, demo_protoset, broker, base, transport):
    url = broker.url(base) if transport == "mosquitto" else "loopback://threads/base"
    said = run(BUILD / "tests" / "lua_threads", url, demo_protoset, env=lua)
    assert said == "4 states; the module is still there\n"


def test_end_with_a_broker(lua, server, demo_protoset):
    """A state may end at any moment, connected or not: threads of the MQTT library are unharmed."""
    host = SPECS / "end_of_state.lua"
    assert "done" in run("lua5.4", host, server, demo_protoset, env=lua)


@pytest.mark.parametrize(("dialect", "outcome"), [("link", "after"), ("session", "UNAVAILABLE")])
def test_broker_restarts_in_the_middle(lua, tmp_path, base, demo_protoset, dialect, outcome):
    """A link outlives it with its calls; a session ends, and the next call works."""
    own = Broker(tmp_path)
    try:
        url = own.url(base, dialect=dialect)
        process = Process("lua5.4", SPECS / "restart.lua", url, demo_protoset, env=lua)
        process.expect("begun")
        own.stop(signal.SIGKILL)
        process.expect("gone")
        own.start()
        process.expect(f"stream: {outcome}", patience=3 * PATIENCE)
        assert process.wait() == 0
    finally:
        own.stop()


# ---- Installation


def check_installed(modules, libraries, demo_protoset):
    code = "local gm = require('grpc_mqtt'); print(gm.schema(...):services()[1])"
    env = {**paths(modules, libraries), "LD_LIBRARY_PATH": ""}
    check = modules.parent / "check.lua"
    check.write_text(code)
    assert run("lua5.4", check, demo_protoset, env=env) == "demo.v1.Demo\n"


def test_installed_by_cmake(lua, tmp_path, demo_protoset):
    for component in ("Unspecified", "lua"):
        run("cmake", "--install", BUILD, "--component", component, "--prefix", tmp_path)
    core = next(tmp_path.glob("lib/**/grpc_mqtt/core.so"))
    check_installed(tmp_path / "share/lua/5.4", core.parent.parent, demo_protoset)


def test_installed_by_luarocks(lua, tmp_path, demo_protoset):
    """As the rockspec does it, but for compiling once more. Needs no network."""
    if not shutil.which("luarocks"):
        pytest.fail("luarocks is missing: apt-get install luarocks")
    env = {"GMQ_ROCK_BUILD": str(BUILD), "HOME": str(tmp_path), "http_proxy": "http://127.0.0.1:9"}
    tree = tmp_path / "tree"
    rockspec = ROOT / "bindings" / "lua" / "grpc-mqtt-scm-1.rockspec"
    make = f"cd {ROOT} && luarocks --lua-version 5.4 --tree {tree} make {rockspec}"
    run("sh", "-c", make, env=env)
    check_installed(tree / "share/lua/5.4", tree / "lib/lua/5.4", demo_protoset)


# ---- The guide


def test_guide(lua, broker, base, demo_protoset, tmp_path):
    """Its examples, in order, in one state: each may use what those before it have defined."""
    shutil.copy(demo_protoset, tmp_path / "demo.protoset")
    script = "\n".join(["", *FENCE.findall(GUIDE.read_text())])
    script = script.replace("mqtt://127.0.0.1:1883/fleet/device42", broker.url(base))
    assert broker.url(base) in script
    (tmp_path / "guide.lua").write_text(script)
    said = run("sh", "-c", f"cd {tmp_path} && lua5.4 guide.lua", env=lua)
    assert "Hello, world!" in said
