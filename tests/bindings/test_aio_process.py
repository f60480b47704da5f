"""grpc_mqtt.aio and the process: Ctrl-C, exit, memory."""

import asyncio
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
import grpc.aio
import pytest
from aio_stacks import CHAT, COUNT, UNARY, MqttStack, Served, chat, count, echo
from aio_support import SOON, aio, everything, soon, until

import grpc_mqtt.aio

SCRIPT = """
    import asyncio, sys, threading
    sys.path.insert(0, {tests!r})
    from aio_stacks import *

    async def hang(request, context):
        await asyncio.Event().wait()

    left = []

    async def main():
        stack = MqttStack()
        server = stack.server(handlers=[Handlers({{UNARY: hang, CHAT: chat}})])
        await server.start()
        channel = stack.channel()
        stream = channel.stream_stream(CHAT)()
        await stream.write(b"hello")
        print(await stream.read(), flush=True)
        call = channel.unary_unary(UNARY)(b"")
        call.add_done_callback(print)
        await asyncio.sleep(0.05)
        left.extend([server, channel, stream, call])
        if {forget}:
            left.clear()

    asyncio.run(main())
"""


@pytest.mark.parametrize("forget", [False, True])
def test_exit_with_everything_open(forget):
    script = textwrap.dedent(SCRIPT).format(tests=os.path.dirname(__file__), forget=forget)
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("b'hello'")
    assert "Traceback" not in done.stderr, done.stderr


def test_ctrl_c():
    """The loop does not block in the library: the signal ends it, and the next one works."""
    stack = MqttStack()
    entered = threading.Event()

    async def hang(request, context):
        entered.set()
        await asyncio.Event().wait()

    async def work():
        async with Served(stack, {UNARY: hang}) as channel:
            await channel.unary_unary(UNARY)(b"")

    def interrupt():
        assert entered.wait(SOON)
        time.sleep(0.2)  # until the loop waits: just before that a signal does not wake it
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt).start()
    with pytest.raises(KeyboardInterrupt):
        asyncio.run(work())

    @aio
    async def again():
        async with Served(stack, {UNARY: echo}) as channel:
            assert await channel.unary_unary(UNARY)(b"again", timeout=SOON) == b"again"

    again()


@aio
async def test_memory_does_not_grow():
    async def steered(request, context):
        if request == b"fail":
            await context.abort(grpc.StatusCode.NOT_FOUND, "d")
        return request

    async with Served(MqttStack(), {UNARY: steered, COUNT: count, CHAT: chat}) as channel:
        unary, stream = channel.unary_unary(UNARY), channel.unary_stream(COUNT)
        bidi = channel.stream_stream(CHAT)

        async def work(rounds):
            for _ in range(rounds):
                assert await unary(b"x" * 1000) == b"x" * 1000
                assert len(await everything(stream(b"20"))) == 20
                assert await everything(bidi([b"a", b"b"])) == [b"a", b"b"]
                with pytest.raises(grpc.aio.AioRpcError):
                    await unary(b"fail")
                left = bidi()
                await left.write(b"a")
                assert await left.read() == b"a"
                left.cancel()
            gc.collect()

        await work(200)
        before, peak = sys.getallocatedblocks(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        await work(200)
        await until(lambda: sys.getallocatedblocks() - before < 2000)
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak < 8192  # KiB
        pump = channel._connection.pump
        await until(lambda: len(pump.rows) <= 2)
        assert len(pump.owners) == len(pump.rows) == 2  # the channel and the server


@aio
async def test_servers_leave_nothing_behind():
    def files():
        return len(os.listdir("/proc/self/fd"))

    async def use():
        async with Served(MqttStack(), {UNARY: echo}) as channel:
            assert await channel.unary_unary(UNARY)(b"a", timeout=SOON) == b"a"

    await use()
    gc.collect()
    before = files()
    for _ in range(20):
        await use()
    gc.collect()
    await until(lambda: files() <= before)
    await until(lambda: len(asyncio.all_tasks()) <= 2)


@aio
async def test_many_servers_on_one_loop():
    stacks = [MqttStack() for _ in range(5)]

    def named(name):
        async def handler(request, context):
            return name

        return {UNARY: handler}

    served = [Served(stack, named(b"%d" % i)) for i, stack in enumerate(stacks)]
    channels = [await one.__aenter__() for one in served]
    answers = [channel.unary_unary(UNARY)(b"", timeout=SOON) for channel in channels]
    assert await soon(asyncio.gather(*answers)) == [b"%d" % i for i in range(5)]
    for one in served:
        await one.__aexit__()


def test_made_outside_of_a_coroutine():
    """As with grpc.aio: on the loop that the thread will run."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        stack = MqttStack()
        served = Served(stack, {UNARY: echo})
        channel = grpc_mqtt.aio.channel(stack.url)

        async def work():
            async with served:
                assert await channel.unary_unary(UNARY)(b"a", timeout=SOON) == b"a"
                await channel.close()

        loop.run_until_complete(work())
    finally:
        asyncio.set_event_loop(None)
        loop.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_fork_is_refused():
    """What was made before a fork says so in the child; what is made in the child works."""
    program = """
import asyncio, os, sys
import grpc_mqtt.aio
from aio_stacks import UNARY, MqttStack, Served, echo

async def child(served, channel, unary):
    for use in (lambda: unary(b""), lambda: served.server.add_insecure_port("[::]:0")):
        try:
            use()
        except grpc_mqtt.ForkedError as error:
            print(type(error).__name__)
    async with Served(MqttStack(), {UNARY: echo}) as fresh:
        print(await fresh.unary_unary(UNARY)(b"new"))

async def keep():
    stack = MqttStack()
    served = Served(stack, {UNARY: echo})
    await served.server.start()
    channel = stack.channel()
    unary = channel.unary_unary(UNARY)
    assert await unary(b"a") == b"a"
    return served, channel, unary

loop = asyncio.new_event_loop()
made = loop.run_until_complete(keep())
pid = os.fork()
if pid == 0:
    asyncio.run(child(*made))
    sys.stdout.flush()
    os._exit(0)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
print(loop.run_until_complete(made[2](b"still")))
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=os.path.dirname(__file__),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    lines = done.stdout.splitlines()
    assert lines == ["ForkedError", "ForkedError", "b'new'", "0", "b'still'"], done.stderr
