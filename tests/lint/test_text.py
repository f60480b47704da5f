"""The text of the tree: no path of a machine, nothing left to do, plain line ends, the C format."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from lint_tree import ROOT, c_files, name_of, tracked

# "/usr", "/tmp", "/run" and "/etc" are everybody's.
MACHINE = re.compile(r"(?<![\w.}\])*/-])/(?:work|root|home|Users|mnt|media|data|workspace)/[\w.]")
UNFINISHED = re.compile(r"\b(?:TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b")
DATA = {"fixtures", "corpus"}
ANY_SPACE = {".md", ".patch", ".diff"}


def texts() -> list[tuple[Path, str]]:
    """Every file that is text and written by hand."""
    found = []
    for file in tracked():
        if file == Path(__file__).resolve() or file.name == "LICENSE":
            continue
        try:
            found.append((file, file.read_bytes().decode("utf-8")))
        except UnicodeDecodeError:
            continue
    return [(file, text) for file, text in found if "\0" not in text]


def matches(pattern: re.Pattern[str], files: list[tuple[Path, str]]) -> list[str]:
    return [
        f"{name_of(file)}:{number}: {line.strip()[:120]}"
        for file, text in files
        for number, line in enumerate(text.split("\n"), 1)
        if pattern.search(line)
    ]


def test_no_path_of_a_machine() -> None:
    wrong = matches(MACHINE, texts())
    assert not wrong, "\n".join(wrong)


def test_nothing_left_to_do() -> None:
    wrong = matches(UNFINISHED, [(f, t) for f, t in texts() if not DATA & set(f.parts)])
    assert not wrong, "\n".join(wrong)


def test_line_ends() -> None:
    wrong = []
    for file, text in texts():
        if DATA & set(file.parts):
            continue
        if "\r" in text:
            wrong.append(f"{name_of(file)}: carriage return")
        if text and not text.endswith("\n"):
            wrong.append(f"{name_of(file)}: no newline at the end")
        if file.suffix not in ANY_SPACE and re.search(r"[ \t]\n", text):
            wrong.append(f"{name_of(file)}: blanks at the end of a line")
    assert not wrong, "\n".join(wrong)


def test_scripts_are_executable() -> None:
    wrong = [
        name_of(file)
        for file, text in texts()
        if text.startswith("#!") and not file.stat().st_mode & 0o100
    ]
    assert not wrong


@pytest.mark.skipif(not shutil.which("clang-format"), reason="clang-format is not installed")
def test_c_is_formatted() -> None:
    files = [str(file) for file in c_files()]
    assert files
    command = ["clang-format", "--dry-run", "--Werror", *files]
    run = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    wrong = sorted({line.split(":")[0] for line in run.stderr.splitlines() if "error:" in line})
    assert run.returncode == 0, "to be formatted: " + " ".join(name_of(Path(f)) for f in wrong)


def test_the_lint_sees() -> None:
    assert MACHINE.search("see /work/main/x")
    assert MACHINE.search('"/home/me/x"')
    assert not MACHINE.search("docs/work/x and /usr/home/x and http://h/data/1")
    assert UNFINISHED.search("/* TODO: more */")
