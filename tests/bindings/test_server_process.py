"""What concerns the process of a sync server: fork, exit, signals, what is left behind."""

import gc
import os
import resource
import subprocess
import sys
import textwrap
import threading
from concurrent import futures

import pytest
from service_rig import SOON, Handlers, us, uu
from session import eventually
from test_process import in_child

import grpc_mqtt


def echo(request, context):
    return request


def count(request, context):
    for i in range(int(request)):
        yield str(i).encode() * 100


def make(url, workers=4):
    pool = futures.ThreadPoolExecutor(workers)
    return grpc_mqtt.server(url, pool, (Handlers(Unary=uu(echo), Count=us(count)),))


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_fork_is_refused():
    server = make("loopback://forks/base")
    server.start()
    with grpc_mqtt.channel("loopback://forks/base") as channel:
        call = channel.unary_unary("/test.S/Unary")
        assert call(b"before") == b"before"
        for use in (
            server.start,
            lambda: server.stop(None),
            lambda: server.wait_for_termination(1),
            lambda: server.add_generic_rpc_handlers(()),
        ):
            text = in_child(use)
            assert text.startswith("ForkedError: ") and "in the child" in text, text
        assert call(b"after") == b"after"
    server.stop(None)


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_server_made_after_fork():
    def work():
        server = make("loopback://in-a-child/base")
        server.start()
        with grpc_mqtt.channel("loopback://in-a-child/base") as channel:
            answer = channel.unary_unary("/test.S/Unary")(b"child", timeout=SOON)
        server.stop(None)
        return answer.decode()

    assert in_child(work) == "child"


PATHS = [os.path.dirname(__file__), os.path.dirname(os.path.dirname(__file__))]
SCRIPT = """
    import signal, sys, threading
    sys.path[:0] = {tests!r}
    from test_server_process import *

    server = make("loopback://exits/base")
    server.start()
    channel = grpc_mqtt.channel("loopback://exits/base")
    print(channel.unary_unary("/test.S/Unary")(b"hello"), flush=True)
"""


def run(script, **arguments):
    text = textwrap.dedent(SCRIPT).format(tests=PATHS) + textwrap.dedent(script)
    return subprocess.run(
        [sys.executable, "-c", text], capture_output=True, text=True, timeout=60, check=False
    )


def test_exit_without_stop():
    done = run("")
    assert (done.returncode, done.stdout) == (0, "b'hello'\n"), done.stderr
    assert not done.stderr


def test_signals_reach_a_server_that_waits():
    done = run(
        """
        signal.signal(signal.SIGTERM, lambda *_: server.stop(grace=1))
        threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGTERM)).start()
        print(server.wait_for_termination())
        other = make("loopback://exits/other")
        other.start()
        try:
            threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
            other.wait_for_termination()
        except KeyboardInterrupt:
            print("interrupted")
        """
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split("\n")[1:] == ["False", "interrupted", ""]


def test_servers_leave_nothing_behind():
    def threads_and_files():
        return threading.active_count(), len(os.listdir("/proc/self/fd"))

    def use(forget):
        server = make("loopback://many/base", workers=1)
        server.start()
        with grpc_mqtt.channel("loopback://many/base") as channel:
            assert channel.unary_unary("/test.S/Unary")(b"a", timeout=SOON) == b"a"
        if not forget:
            server.stop(None)

    use(False)
    gc.collect()
    before = threads_and_files()
    for i in range(20):
        use(i % 2)

    def nothing_is_left():
        gc.collect()
        return threads_and_files() <= before

    eventually(nothing_is_left)


def test_memory_does_not_grow():
    server = make("loopback://memory/base")
    server.start()
    with grpc_mqtt.channel("loopback://memory/base") as channel:
        unary = channel.unary_unary("/test.S/Unary")
        stream = channel.unary_stream("/test.S/Count")

        def work(rounds):
            for _ in range(rounds):
                assert unary(b"x" * 1000, metadata=(("k", "v" * 100),)) == b"x" * 1000
                assert sum(1 for _ in stream(b"20")) == 20
                stream(b"100000").cancel()
            gc.collect()

        work(300)
        before, peak = sys.getallocatedblocks(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        work(300)
        eventually(lambda: sys.getallocatedblocks() - before < 3000)
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak < 8192  # KiB
    server.stop(None)
