"""docs/guide/c.md: its pieces of code stand in programs that are compiled and run."""

import re
import subprocess

import pytest
from stack import BUILD, PATIENCE, ROOT, Process

GUIDE = ROOT / "docs/guide/c.md"
C_SOURCES = sorted((ROOT / "docs/examples/c").glob("*.c"))
CMAKE_SOURCES = [ROOT / "tests/fixtures/cmake_project/CMakeLists.txt"]


def pieces(language):
    return re.findall(rf"```{language}\n(.*?)```", GUIDE.read_text(), re.DOTALL)


def test_there_are_pieces():
    assert len(pieces("c")) > 10
    assert len(pieces("cmake")) == 2


@pytest.mark.parametrize("piece", pieces("c"))
def test_c_is_that_of_an_example(piece):
    assert any(piece in source.read_text() for source in C_SOURCES)


@pytest.mark.parametrize("piece", pieces("cmake"))
def test_cmake_is_that_of_the_project(piece):
    assert any(piece in source.read_text() for source in CMAKE_SOURCES)


def test_the_names_are_those_of_the_header():
    (header,) = BUILD.glob("docs/examples/c/grpc_mqtt/demo_stubs/demo.grpc-mqtt.h")
    text = header.read_text()
    named = set(re.findall(r"\b(?:demo__v1__|Demo__V1__Demo_|grpc_mqtt__)\w+", GUIDE.read_text()))
    messages = {name for name in named if name.endswith("__free_unpacked")}
    missing = {name for name in named - messages if name not in text}
    assert not missing


@pytest.mark.parametrize("query", ["", "?drive=caller"])
def test_event_loop(broker, base, query):
    url = broker.url(base)
    server = Process(BUILD / "bin/typed_server", url)
    server.expect("^ready")
    names = ["you", "me", "x" * 150]
    done = subprocess.run(
        [BUILD / "bin/event_loop", url + query],
        input="\n".join(names),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(done.stdout.splitlines()) == sorted(f"Hello, {name}!" for name in names)
    assert server.stop() == 0


def test_event_loop_without_a_server(broker, base):
    done = subprocess.run(
        [BUILD / "bin/event_loop", broker.url(base)],
        input="you\n",
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("UNAVAILABLE: ")
