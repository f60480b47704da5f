"""wire, engine and methods are plain computation: their objects call no clock, socket, thread,
sleep or random function. Time, seeds and connections come in as arguments. Looks at the objects of
a build (GMQ_BUILD_DIR)."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from lint_tree import BUILD, BUILD_IS_GIVEN

PURE = ["wire", "engine", "methods"]

FORBIDDEN = re.compile(
    "|".join(
        [
            # clock and sleep
            "time|gettimeofday|clock(_.*)?|times|timespec_get|ftime|[gs]etitimer|timer_.*|timerfd_.*|alarm",
            "localtime(_r)?|gmtime(_r)?",
            "sleep|usleep|nanosleep|sched_yield",
            # sockets and waiting for them
            "socket|socketpair|connect|bind|listen|accept4?|shutdown|send(to|msg|mmsg)?|recv(from|msg|mmsg)?",
            "[gs]etsockopt|getpeername|getsockname|getaddrinfo|gethostby.*|poll|ppoll|p?select|epoll_.*|eventfd.*",
            "pipe2?|ioctl|fcntl",
            # threads and processes
            "pthread_.*|thrd_.*|mtx_.*|cnd_.*|tss_.*|call_once|sem_.*|fork|vfork|clone|posix_spawn.*|exec[lv].*",
            "system|popen|signal|sigaction|kill|raise",
            # randomness
            "s?rand(_r|om|om_r)?|initstate(_r)?|[dejlmn]rand48(_r)?|srand48|getrandom|getentropy|arc4random.*",
            "RAND_.*|uuid_generate.*",
            # the module that has them all
            "gmq__os_.*",
            # memory behind base/mem.h's back
            "malloc|calloc|realloc|reallocarray|free|strn?dup|asprintf|vasprintf|aligned_alloc|posix_memalign",
        ]
    )
)


def undefined(file: Path) -> set[str]:
    """Symbols that an object needs from elsewhere."""
    listed = subprocess.run(["nm", "-u", str(file)], capture_output=True, text=True, check=True)
    return {line.split()[-1].split("@")[0] for line in listed.stdout.splitlines() if line.split()}


def forbidden(symbols: set[str]) -> list[str]:
    """Of the symbols those that may not be, also as the C library's `__`-variants."""
    return sorted(symbol for symbol in symbols if FORBIDDEN.fullmatch(symbol.removeprefix("__")))


def objects(module: str) -> list[Path]:
    """Objects of our sources; what is generated into the build is protobuf-c's."""
    found = sorted((BUILD / "CMakeFiles" / f"gmq_{module}.dir").rglob("*.o"))
    if not found:
        assert not BUILD_IS_GIVEN, f"no objects of {module} in {BUILD}"
        pytest.skip(f"no build in {BUILD}")
    return [file for file in found if "generated" not in file.parts]


needs_nm = pytest.mark.skipif(not shutil.which("nm"), reason="nm is not installed")


@needs_nm
@pytest.mark.parametrize("module", PURE)
def test_module_is_plain_computation(module: str) -> None:
    wrong = {file.name: names for file in objects(module) if (names := forbidden(undefined(file)))}
    assert not wrong


@needs_nm
def test_the_lint_sees_the_system_in_base() -> None:
    names = {name for file in objects("base") for name in forbidden(undefined(file))}
    assert {"clock_gettime", "pthread_create", "realloc"} <= names


def test_the_list() -> None:
    bad = {"time", "usleep", "rand", "gmq__os_now_ns", "__pthread_create", "free"}
    good = {"__errno_location", "memcpy", "qsort", "gmq__free", "gmq__topic_parse"}
    assert set(forbidden(bad | good)) == bad
