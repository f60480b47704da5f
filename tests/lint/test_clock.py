"""Fault 26: the wall clock may be set as it likes, so only what is shown to people reads it."""

import re
import subprocess

from stack import ROOT

WALL = r"CLOCK_REALTIME|gettimeofday|\btime\(|\bftime\(|timedwait\(|GPR_CLOCK_REALTIME"
READERS = {
    "csrc/base/os_posix.c",  # gmq__os_unix_s(); it waits by CLOCK_MONOTONIC
    "csrc/gateway/daemon_log.c",  # the time of a line
}
ASKERS = {"csrc/base/os.h", "csrc/base/os_posix.c", "csrc/api/link_ends.c"}  # since_unix_s


def naming(pattern):
    found = subprocess.run(
        ["grep", "-rlE", pattern, "csrc", "--include=*.c", "--include=*.h"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return set(found.stdout.split())


def test_who_reads_the_wall_clock():
    assert naming(WALL) == READERS
    assert naming("gmq__os_unix_s") == ASKERS
    waits = (ROOT / "csrc/base/os_posix.c").read_text()
    assert re.search(r"pthread_condattr_setclock\(&\w+, CLOCK_MONOTONIC\)", waits)
