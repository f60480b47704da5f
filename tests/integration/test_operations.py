"""docs/guide/operations.md, from top to bottom in one shell.

Every command as it stands there, but for ports and the path of the tree. "..." in an output stands
for anything, a space for any number of them.
"""

import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path
from queue import Empty, Queue

import pytest
from stack import BUILD, PATIENCE, ROOT, free_port

GUIDE = ROOT / "docs/guide/operations.md"
BLOCK = re.compile(r"^```(console|python|toml)\n(.*?)^```", re.S | re.M)
# Commands that only look: run again until they see what the guide says.
LOOKS = ("cat ", "grep ", "tail ", "curl ", "grpc-mqtt ls")
END = "end of the command:"


def steps(guide):
    """("command", it, its output) of the console blocks, ("file", name, contents) of the others."""
    for kind, text in BLOCK.findall(guide):
        if kind != "console":
            name = re.match(r"# (\S+)\n", text)[1]
            yield "file", name, text
            continue
        for part in re.split(r"^\$ ", text, flags=re.M)[1:]:
            lines = part.splitlines(keepends=True)
            more = next((n for n, line in enumerate(lines) if n and line[:2] != "> "), len(lines))
            command = lines[0] + "".join(line[2:] for line in lines[1:more])
            yield "command", command, "".join(lines[more:])


class Shell:
    """bash without a terminal; its commands print into one pipe, daemons write to files."""

    def __init__(self, directory):
        path = [Path(sys.executable).parent, os.environ["PATH"], "/usr/sbin", "/usr/local/sbin"]
        env = {key: value for key, value in os.environ.items() if not key.startswith("GRPC_MQTT_")}
        env["PATH"] = ":".join(map(str, [BUILD / "bin", *path]))
        env["PYTHONWARNINGS"] = "ignore"
        self._child = subprocess.Popen(
            ["bash", "--noprofile", "--norc"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=directory,
            env=env,
            start_new_session=True,
        )
        self._lines = Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self._child.stdout:
            self._lines.put(line)

    def run(self, command):
        """What it printed."""
        self._child.stdin.write(f"{command}\necho '{END}'\n")
        self._child.stdin.flush()
        said = []
        while True:
            try:
                line = self._lines.get(timeout=2 * PATIENCE)
            except Empty:
                pytest.fail(f"$ {command}{''.join(said)}does not end")
            before, end, _ = line.partition(END)
            said.append(before)
            if end:
                return "".join(said)

    def end(self):
        """Kills what the guide has left, were it broken off in the middle."""
        try:
            os.killpg(self._child.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self._child.wait(PATIENCE)


@pytest.fixture
def shell(tmp_path):
    started = Shell(tmp_path)
    yield started
    started.end()


def local(guide):
    """The guide with ports that are free here, and this tree in place of the reader's."""
    for port in sorted(set(re.findall(r"\b(?:1884|94\d\d|5\d\d\d\d)\b", guide))):
        guide = re.sub(rf"\b{port}\b", str(free_port()), guide)
    return guide.replace("~/grpc-mqtt/", f"{ROOT}/")


def fits(expected, said):
    expected, said = (re.sub(" +", " ", text) for text in (expected, said))
    return re.fullmatch(".*?".join(map(re.escape, expected.split("..."))), said, re.S)


def check(shell, command, expected):
    said = shell.run(command)
    tries = 4 * PATIENCE if command.startswith(LOOKS) else 0
    while not fits(expected, said) and tries:
        shell.run("sleep 0.25")
        said = shell.run(command)
        tries -= 1
    assert fits(expected, said), f"$ {command}{said}\nthe guide says:\n{expected}"


def test_guide(shell, tmp_path):
    for kind, first, second in steps(local(GUIDE.read_text())):
        if kind == "file":
            (tmp_path / first).write_text(second)
        else:
            check(shell, first, second)
    assert shell.run("jobs -p") == "", "the guide leaves something running"
