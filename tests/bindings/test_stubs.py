"""The SWIG modules as people and tools see them: stubs that are true, docstrings, safe classes."""

import importlib
import inspect
import os
import subprocess
import sys
from pathlib import Path

import pytest

import grpc_mqtt

HERE = Path(__file__).parent
PACKAGE = Path(grpc_mqtt.__file__).parent
INHERITED = {"acquire", "append", "disown", "next", "own", "this", "thisown"}  # SWIG's own


def modules():
    names = ["grpc_mqtt.gmq"]
    if (PACKAGE / "gmq_gateway.py").exists():
        names.append("grpc_mqtt.gmq_gateway")
    return names


def classes(name):
    module = importlib.import_module(name)
    found = [value for value in vars(module).values() if isinstance(value, type)]
    return [each for each in found if each.__module__ == name and each.__name__[0].isupper()]


def test_the_package_is_typed():
    assert (PACKAGE / "py.typed").exists()
    for name in modules():
        assert (PACKAGE / (name.split(".")[1] + ".pyi")).exists()


def test_stubs(tmp_path):
    pytest.importorskip("mypy.stubtest")
    allowed = HERE / "stubtest.allow"
    command = [sys.executable, "-m", "mypy.stubtest", "--allowlist", str(allowed), *modules()]
    # mypy does not look for packages in PYTHONPATH, but in MYPYPATH.
    environment = {**os.environ, "MYPYPATH": str(PACKAGE.parent)}
    if "site-packages" in PACKAGE.parts:
        del environment["MYPYPATH"]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", modules())
def test_docstrings(name):
    assert classes(name)
    for each in classes(name):
        assert each.__doc__ and "::" not in each.__doc__, each
        for member in set(dir(each)) - INHERITED:
            if not member.startswith("_"):
                text = getattr(each, member).__doc__
                assert text and text.startswith(f"{member}("), f"{each}.{member}: {text}"


@pytest.mark.parametrize("name", modules())
def test_an_object_that_was_never_made(name):
    for each in classes(name):
        for member in set(dir(each)) - INHERITED:
            if not member.startswith("_"):
                unmade = each.__new__(each)
                with pytest.raises(TypeError):
                    getattr(unmade, member)()
                for count in range(1, 9):
                    with pytest.raises(TypeError):
                        getattr(unmade, member)(*[0] * count)


def public_of_the_package():
    """(name, what it is): all that the package exports, and the public members of its classes."""
    import grpc_mqtt.aio
    from grpc_mqtt import _aio_channel, _aio_server, _channel, _server

    for module in (grpc_mqtt, grpc_mqtt.aio):
        yield module.__name__, module
        for name in set(module.__all__) - {"__version__"}:
            yield f"{module.__name__}.{name}", getattr(module, name)
    made = (_channel.Channel, _server.Server, _aio_channel.Channel, _aio_server.Server)
    for each in (*made, grpc_mqtt.Gateway, grpc_mqtt.Error):
        for name in dir(each):
            if not name.startswith("_") and callable(getattr(each, name)):
                yield f"{each.__module__}.{each.__name__}.{name}", getattr(each, name)


def test_docstrings_of_the_package():
    """Those of grpc's own classes count where a method is one of theirs."""
    found = list(public_of_the_package())
    assert len(found) > 40
    assert [name for name, value in found if not inspect.getdoc(value)] == []


USER = """
import grpc
import grpc.aio
import grpc_mqtt
import grpc_mqtt.aio
from concurrent import futures

channel: grpc.Channel = grpc_mqtt.channel("mqtt://broker/base", [("linger_ms", 1)])
server: grpc.Server = grpc_mqtt.server("mqtt://broker/base", futures.ThreadPoolExecutor())
aio_channel: grpc.aio.Channel = grpc_mqtt.aio.channel("mqtt://broker/base", {"linger_ms": 1})
aio_server: grpc.aio.Server = grpc_mqtt.aio.server("mqtt://broker/base")
wrong: int = grpc_mqtt.channel("mqtt://broker/base")
"""


def test_types_for_users(tmp_path):
    """A program that uses the package is checked with its types: one line of this is wrong."""
    pytest.importorskip("mypy")
    (tmp_path / "user.py").write_text(USER)
    environment = {**os.environ, "MYPYPATH": str(PACKAGE.parent)}
    if "site-packages" in PACKAGE.parts:
        del environment["MYPYPATH"]
    command = [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent", "user.py"]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert "user.py:12: error: Incompatible types in assignment" in done.stdout, done.stderr
    assert "Found 1 error" in done.stdout, done.stdout


def test_made_after_all():
    from grpc_mqtt import gmq

    queue = gmq.Queue.__new__(gmq.Queue)
    queue.__init__()
    assert queue.poll(1) == []


def test_unmade_as_an_argument():
    from grpc_mqtt import gmq

    queue = gmq.Queue.__new__(gmq.Queue)
    with pytest.raises(TypeError):
        gmq.Client("loopback://a/b", None, None, queue, 0)
    with pytest.raises(TypeError):
        gmq.MethodMap().merged(gmq.MethodMap.__new__(gmq.MethodMap))
