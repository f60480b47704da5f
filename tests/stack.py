"""What the tests start: mosquitto, gateway, proxy. On free ports of 127.0.0.1, stopped by pid."""

import os
import queue
import re
import select
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = Path(os.environ.get("GMQ_BUILD_DIR", ROOT / "build")).resolve()
GATEWAY = BUILD / "bin" / "grpc-mqtt-gateway"
PROXY = BUILD / "bin" / "grpc-mqtt-proxy"
PATIENCE = 60  # seconds that something may take; no test waits for that on its good path


_reserved = []


def free_port():
    """A port of 127.0.0.1 that nobody else is given from here on.

    A socket stays bound to it, which does not listen: to connect is refused, and whoever asks for
    this very port, with SO_REUSEADDR as all servers do, gets it.
    """
    holder = socket.socket()
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    holder.bind(("127.0.0.1", 0))
    _reserved.append(holder)
    return holder.getsockname()[1]


class Process:
    """A child whose output is kept, line by line."""

    def __init__(self, *command, env=None):
        self.command = [str(word) for word in command]
        self.lines = []
        self._new = queue.Queue()
        self._child = subprocess.Popen(
            self.command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env={**os.environ, **(env or {})},
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self._child.stdout:
            self.lines.append(line.rstrip("\n"))
            self._new.put(self.lines[-1])
        self._new.put(None)

    @property
    def pid(self):
        return self._child.pid

    @property
    def running(self):
        return self._child.poll() is None

    def expect(self, pattern, patience=PATIENCE):
        """The next line of output that has `pattern` in it."""
        deadline = time.monotonic() + patience
        while True:
            try:
                line = self._new.get(timeout=max(0, deadline - time.monotonic()))
            except queue.Empty:
                line = None
            if line is None:
                raise AssertionError(
                    "\n".join([f"no line with {pattern!r} from {self.command}:", *self.lines])
                )
            if re.search(pattern, line):
                return line

    def send(self, number):
        self._child.send_signal(number)

    def wait(self, patience=PATIENCE):
        status = self._child.wait(patience)
        self._reader.join(patience)
        return status

    def stop(self, number=signal.SIGTERM):
        """Ends it, harder after a while, and gives its exit status."""
        if self.running:
            self.send(number)
        try:
            return self.wait()
        except subprocess.TimeoutExpired:
            self._child.kill()
            return self.wait()


class Broker:
    """mosquitto with a configuration and a directory of its own."""

    def __init__(self, directory, *settings):
        self.port = free_port()
        self.directory = Path(directory)
        self.config = self.directory / f"mosquitto-{self.port}.conf"
        lines = [
            f"listener {self.port} 127.0.0.1",
            "persistence false",
            "log_dest stderr",
            "user root",  # where we are root: it must read the files of the test
            *settings,
        ]
        if not any(line.startswith("allow_anonymous") for line in settings):
            lines.append("allow_anonymous true")
        self.config.write_text("\n".join(lines) + "\n")
        self.process = None
        self.start()

    def start(self):
        path = os.environ["PATH"] + ":/usr/sbin:/usr/local/sbin"
        self.process = Process("mosquitto", "-c", self.config, env={"PATH": path})
        self.process.expect(r"mosquitto version .* running")

    def url(self, base, **query):
        options = "&".join(f"{key}={value}" for key, value in query.items())
        return f"mqtt://127.0.0.1:{self.port}/{base}" + (f"?{options}" if options else "")

    def stop(self, number=signal.SIGTERM):
        self.process.stop(number)


class Gateway(Process):
    """grpc-mqtt-gateway; `pairs` are (descriptor set, target)."""

    def __init__(self, url, *pairs, arguments=(), ready=True):
        words = [
            word for file, target in pairs for word in ("--descriptors", file, "--target", target)
        ]
        super().__init__(GATEWAY, "-L", url, *words, *arguments)
        if ready:
            self.expect("ready: ")


class Proxy(Process):
    """grpc-mqtt-proxy on a port of its own; `target` is its address, once it is ready."""

    def __init__(self, url, *arguments, listen="127.0.0.1:0", ready=True, env=None):
        super().__init__(PROXY, "-L", url, "--listen", listen, *arguments, env=env)
        if ready:
            self.wait_ready()

    def wait_ready(self):
        line = self.expect("ready: ")
        self.target = re.search(r"listening on (\S+?)(,| \()", line)[1]
        return line


class Wire:
    """Forwards TCP to `port` until it is told to stop, without closing anything."""

    def __init__(self, port):
        self._to, self._frozen, self._over = port, threading.Event(), threading.Event()
        self._freezes = 0  # a connection that is older than the last of them stays frozen
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._sockets = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while not self._over.is_set():
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            self._sockets.append(near)
            freezes = self._freezes
            if not self._frozen.is_set():  # else: connected, and never answered
                far = socket.create_connection(("127.0.0.1", self._to))
                self._sockets.append(far)
                words = (near, far, freezes)
                threading.Thread(target=self._forward, args=words, daemon=True).start()

    def _forward(self, near, far, freezes):
        try:
            while freezes == self._freezes and not self._over.is_set():
                for ready in select.select([near, far], [], [], 0.05)[0]:
                    if not self._pass(ready, far if ready is near else near, freezes):
                        near.close()
                        far.close()
                        return
        except (OSError, ValueError):
            pass  # one of them was closed meanwhile

    def _pass(self, ready, other, freezes):
        data = ready.recv(65536)
        if data and freezes == self._freezes:
            other.sendall(data)
        return bool(data)

    def freeze(self):
        self._frozen.set()
        self._freezes += 1

    def thaw(self):
        """For new connections; what was frozen stays so."""
        self._frozen.clear()

    def url(self, base, **query):
        options = "&".join(f"{key}={value}" for key, value in query.items())
        return f"mqtt://127.0.0.1:{self.port}/{base}?{options}"

    def close(self):
        self._over.set()
        for one in (self._listener, *self._sockets):
            one.close()


def protoset(directory, proto, *include):
    """Compiles `proto` with what it imports; the file made."""
    proto = Path(proto)
    out = Path(directory) / (proto.stem + ".protoset")
    includes = [f"-I{path}" for path in (proto.parent, ROOT / "proto", *include)]
    subprocess.run(
        ["protoc", "--include_imports", *includes, f"--descriptor_set_out={out}", proto.name],
        check=True,
    )
    return out
