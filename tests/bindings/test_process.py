"""What concerns the whole process: fork, Ctrl-C, exit, memory."""

import gc
import os
import resource
import signal
import subprocess
import sys
import textwrap
import threading
import time

import grpc
import pytest
from echo_servers import HANG, HANG_STREAM, SERVER_STREAM, UNARY, MqttServer
from session import eventually
from stack import PATIENCE

import grpc_mqtt


def _outcome(work):
    try:
        return str(work())
    except BaseException as error:
        return f"{type(error).__name__}: {error}"


def in_child(work):
    """Runs `work` in a forked child; the text that it returns."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:  # whatever happens: the child must not go on with the tests
            os.write(write, _outcome(work).encode())
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read) as pipe:
        text = pipe.read()
    assert os.waitpid(pid, 0)[1] == 0
    return text


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_fork_is_refused(mqtt_server):
    with mqtt_server.channel() as channel:
        unary = channel.unary_unary(UNARY)
        assert unary(b"before") == b"before"
        pending = channel.unary_unary(HANG).future(b"")
        for use in (
            lambda: unary(b"in the child"),
            lambda: unary.future(b"in the child").result(),
            lambda: next(channel.unary_stream(SERVER_STREAM)(b"1 1")),
            lambda: pending.result(timeout=5),
            lambda: channel.subscribe(print),
        ):
            text = in_child(use)
            assert text.startswith("ForkedError: ") and "in the child" in text, text
        assert in_child(lambda: str(channel.close())) == "None"
        pending.cancel()
        assert unary(b"after") == b"after"


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_fork_is_refused_before_the_first_use(mqtt_server):
    """... and before a lock is touched that another thread may hold."""
    held, forked = threading.Event(), threading.Event()

    def hold(lock):
        with lock:
            held.set()
            forked.wait()

    with mqtt_server.channel() as channel:
        channel.subscribe(print)
        holder = threading.Thread(target=hold, args=(channel._pump._lock,))
        holder.start()
        held.wait()
        try:
            for use in (
                lambda: channel.unary_unary(UNARY)(b"in the child"),
                lambda: channel.subscribe(print, try_to_connect=True),
            ):
                text = in_child(use)
                assert text.startswith("ForkedError: "), text
        finally:
            forked.set()
            holder.join()


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_channel_made_after_fork(mqtt_server):
    def work():
        server = MqttServer()
        with server.channel() as channel:
            return channel.unary_unary(UNARY)(b"child", timeout=PATIENCE).decode()

    assert in_child(work) == "child"


def interrupted(work, there=None):
    """Sends SIGINT to the main thread while work() runs there, and after `there` is set."""
    inside = threading.Event()

    def interrupt():
        assert inside.wait(PATIENCE) and (there is None or there.wait(PATIENCE))
        time.sleep(0.2)  # it will block by now; were it late, it is interrupted all the same
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        inside.set()
        work()
    thread.join()


def test_ctrl_c(mqtt_server):
    with mqtt_server.channel() as channel:
        assert channel.unary_unary(UNARY)(b"a") == b"a"
        mqtt_server.entered.clear()
        mqtt_server.cancelled.clear()
        interrupted(lambda: channel.unary_unary(HANG)(b""), there=mqtt_server.entered)
        assert mqtt_server.cancelled.wait(PATIENCE)  # the interrupted call is cancelled
        stream = channel.stream_stream(HANG_STREAM)(iter(()))
        assert next(stream) == b"first"
        interrupted(lambda: next(stream))
        assert stream.is_active()
        stream.cancel()
        future = channel.unary_unary(HANG).future(b"")
        interrupted(future.result)
        future.cancel()
        assert channel.unary_unary(UNARY)(b"b") == b"b"


def test_ctrl_c_while_another_thread_leads(mqtt_server):
    with mqtt_server.channel() as channel:
        leading = channel.unary_unary(HANG).future(b"")
        thread = threading.Thread(target=leading.code)
        thread.start()
        interrupted(lambda: channel.unary_unary(HANG)(b""))
        leading.cancel()
        thread.join(PATIENCE)
        assert not thread.is_alive()


SCRIPT = """
    import sys, time
    sys.path.insert(0, {tests!r})
    from echo_servers import *
    server = MqttServer()
    channel = server.channel()
    print(channel.unary_unary(UNARY)(b"hello"), flush=True)
    stream = channel.stream_stream(HANG_STREAM)(iter(lambda: time.sleep(60), None))
    next(stream)
    call = channel.unary_unary(HANG).future(b"")
    call.add_done_callback(print)
    channel.subscribe(lambda state: None)
"""


def test_exit_with_everything_open():
    script = textwrap.dedent(SCRIPT).format(tests=os.path.dirname(__file__))
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("b'hello'")
    assert "Traceback" not in done.stderr.replace("Exception in thread", ""), done.stderr


def test_memory_does_not_grow():
    server = MqttServer()
    with server.channel() as channel:
        unary = channel.unary_unary(UNARY)
        stream = channel.unary_stream(SERVER_STREAM)
        metadata = (("x-initial", "i" * 100), ("x-trailing", "t" * 100))

        def work(rounds):
            for _ in range(rounds):
                assert unary(b"x" * 1000, metadata=metadata) == b"x" * 1000
                assert unary.future(b"x").result() == b"x"
                assert sum(map(len, stream(b"20 1000"))) == 20_000
                with pytest.raises(grpc.RpcError):
                    unary(b"", metadata=(("x-status", "3"), ("x-details", "d")))
            gc.collect()

        work(300)
        before, peak = sys.getallocatedblocks(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        work(300)
        eventually(lambda: sys.getallocatedblocks() - before < 2000)
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak < 8192  # KiB
    server.stop()


def test_channels_leave_nothing_behind(mqtt_server):
    def threads_and_files():
        return threading.active_count(), len(os.listdir("/proc/self/fd"))

    def use():
        with mqtt_server.channel() as channel:
            future = channel.unary_unary(UNARY).future(b"a")
            done = threading.Event()
            future.add_done_callback(lambda _: done.set())
            assert done.wait(PATIENCE)

    use()
    before = threads_and_files()
    for _ in range(20):
        use()
    gc.collect()
    eventually(lambda: threads_and_files() <= before)


def test_pumps_are_freed(mqtt_server):
    from grpc_mqtt import _pump

    gc.collect()
    before = list(_pump._pumps)  # held, so that none of them goes meanwhile
    channel = mqtt_server.channel()
    assert channel.unary_unary(UNARY)(b"a") == b"a"
    abandoned = channel.stream_stream(HANG_STREAM)(iter(()))
    assert next(abandoned) == b"first"
    assert len(_pump._pumps) == len(before) + 1
    del channel, abandoned
    gc.collect()
    eventually(lambda: set(_pump._pumps) == set(before))


def test_unreachable_broker():
    """Refused at once, with the broker's address; taken up when a call may wait."""
    with grpc_mqtt.channel("mqtt://127.0.0.1:1/base") as channel:
        with pytest.raises(grpc.RpcError) as caught:
            channel.unary_unary(UNARY)(b"", timeout=PATIENCE)
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        assert "127.0.0.1:1" in caught.value.details()
        with pytest.raises(grpc.RpcError) as caught:
            channel.unary_unary(UNARY)(b"", timeout=0.3, wait_for_ready=True)
        assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED


def test_nobody_serves():
    with grpc_mqtt.channel("loopback://nobody-here/base") as channel:
        with pytest.raises(grpc.RpcError) as caught:
            channel.unary_unary(UNARY)(b"", timeout=PATIENCE)
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
