"""The installed command grpc-mqtt, run as users run it; also on a terminal."""

from __future__ import annotations

import importlib
import os
import pty
import re
import select
import signal
import subprocess
import sys
import threading
import time
from concurrent import futures
from pathlib import Path
from types import SimpleNamespace

import grpc
from stack import PATIENCE, ROOT

import grpc_mqtt

COMMAND = Path(sys.executable).parent / "grpc-mqtt"
_ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def environment(**more):
    """Without what would change the command's mind."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("GRPC_MQTT_")}
    return {**kept, "PYTHONWARNINGS": "ignore", **more}


def run(*words, data=None, **env):
    """What the command said: stdout, stderr, returncode."""
    return subprocess.run(
        [COMMAND, *map(str, words)],
        input=data,
        stdin=subprocess.DEVNULL if data is None else None,
        capture_output=True,
        text=True,
        timeout=60,
        env=environment(**env),
        check=False,
    )


def good(*words, **how):
    """The output of a command that must succeed."""
    ended = run(*words, **how)
    assert ended.returncode == 0, ended.stderr
    assert "Traceback" not in ended.stderr
    return ended.stdout


def bad(status, *words, **how):
    """The one line of a command that must fail with `status`."""
    ended = run(*words, **how)
    assert "Traceback" not in ended.stderr, ended.stderr
    lines = ended.stderr.strip().splitlines()
    assert ended.returncode == status and len(lines) == 1, (ended.returncode, ended.stderr)
    assert lines[0].startswith("grpc-mqtt"), lines
    return lines[0]


class Terminal:
    """The command on a terminal of 100 columns."""

    def __init__(self, *words, **env):
        self.text = ""
        self._status = None
        self._pid, self._fd = pty.fork()
        if self._pid == 0:
            screen = {"TERM": "xterm", "COLUMNS": "100", "LINES": "30"}
            fresh = environment(**{**screen, **env})
            os.execve(COMMAND, [str(COMMAND), *map(str, words)], fresh)

    @property
    def plain(self):
        """What was written, without the escapes."""
        return _ESCAPE.sub("", self.text)

    def _read(self, timeout):
        readable, _, _ = select.select([self._fd], [], [], timeout)
        if not readable:
            return True
        try:
            data = os.read(self._fd, 65536)
        except OSError:  # Linux: nobody has the other end any more
            return False
        self.text += data.decode(errors="replace")
        return bool(data)

    def until(self, pattern):
        """Reads until `pattern` has been written after the last one that was waited for."""
        deadline = time.monotonic() + PATIENCE
        while not re.search(pattern, self.plain):
            if not self._read(0.1) or time.monotonic() > deadline:
                raise AssertionError(f"no {pattern!r} in:\n{self.plain}")
        return self.plain

    def send(self, number=signal.SIGINT):
        os.kill(self._pid, number)

    def end(self):
        """Reads the rest; the exit status."""
        deadline = time.monotonic() + PATIENCE
        while self._read(0.1) and time.monotonic() < deadline:
            pass
        os.close(self._fd)
        _, status = os.waitpid(self._pid, 0)
        return os.waitstatus_to_exitcode(status)


def demo_code(directory):
    """The code generated of demo.proto."""
    from grpc_tools import protoc

    proto = ROOT / "docs/examples/proto"
    arguments = ["protoc", f"-I{proto}", f"--python_out={directory}"]
    assert protoc.main([*arguments, f"--grpc_python_out={directory}", "demo.proto"]) == 0
    sys.path.insert(0, str(directory))
    try:
        pb2, stubs = (importlib.import_module(name) for name in ("demo_pb2", "demo_pb2_grpc"))
    finally:
        sys.path.remove(str(directory))
    return SimpleNamespace(pb2=pb2, grpc=stubs)


def demo_server(url, demo, reflection=True, interceptors=()):
    """A started server of demo.v1.Demo over MQTT."""
    server = grpc_mqtt.server(url, futures.ThreadPoolExecutor(8), interceptors=interceptors)
    return fill(server, demo, reflection)


def fill(server, demo, reflection=True):
    """Starts a server with demo.v1.Demo and health, perhaps reflection."""
    from google.protobuf import any_pb2
    from google.rpc import error_details_pb2, status_pb2
    from grpc_health.v1 import health, health_pb2_grpc
    from grpc_reflection.v1alpha import reflection as reflect
    from grpc_status import rpc_status

    class Servicer(demo.grpc.DemoServicer):
        def SayHello(self, request, context):
            if request.name == "details":
                info = error_details_pb2.ErrorInfo(reason="BROKEN", metadata={"password": "hush"})
                known, unknown = any_pb2.Any(), any_pb2.Any(type_url="x/no.Such", value=b"123")
                known.Pack(info)
                status = status_pb2.Status(code=9, message="no", details=[known, unknown])
                context.abort_with_status(rpc_status.to_status(status))
            if request.name == "forever":
                over = threading.Event()
                context.add_callback(over.set)
                over.wait()
            if not request.name:
                context.abort(grpc.StatusCode.INVALID_ARGUMENT, "a name is needed")
            context.send_initial_metadata((("x-first", "1"), ("x-data-bin", b"\0\1")))
            context.set_trailing_metadata((("x-last", "2"), ("x-token", "very-private")))
            sent = dict(context.invocation_metadata())
            return demo.pb2.HelloReply(text=f"Hello, {request.name}{sent.get('x-suffix', '')}!")

        def Collect(self, request_iterator, context):
            values = [request.value for request in request_iterator]
            return demo.pb2.CollectReply(sum=sum(values), count=len(values))

        def Count(self, request, context):
            for value in range(getattr(request, "from"), request.to + 1):
                yield demo.pb2.CountReply(value=value)

        def Chat(self, request_iterator, context):
            yield from request_iterator

    demo.grpc.add_DemoServicer_to_server(Servicer(), server)
    health_pb2_grpc.add_HealthServicer_to_server(health.HealthServicer(), server)
    if reflection:
        names = ("demo.v1.Demo", "grpc.health.v1.Health", reflect.SERVICE_NAME)
        reflect.enable_server_reflection(names, server)
    server.start()
    return server
