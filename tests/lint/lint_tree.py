"""What the lints share: the files of the tree, and C sources without comments and literals."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("GMQ_BUILD_DIR") or ROOT / "build")
BUILD_IS_GIVEN = bool(os.environ.get("GMQ_BUILD_DIR"))

C_DIRS = ["csrc", "include", "tests", "docs", "bindings"]
LEFT_OUT = {".git", ".venv", ".venv-old", "build", "dist", "__pycache__", "node_modules"}


def tracked() -> list[Path]:
    """Files under version control or about to be; without git, all that are no build products."""
    listed = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        capture_output=True,
        check=False,
    )
    if listed.returncode == 0 and listed.stdout:
        files = [ROOT / name for name in listed.stdout.decode().split("\0") if name]
    else:
        files = [
            Path(folder) / name
            for folder, folders, names in os.walk(ROOT)
            for name in names
            if not LEFT_OUT.intersection(Path(folder).relative_to(ROOT).parts)
        ]
    return sorted(file for file in files if file.is_file())


def c_files() -> list[Path]:
    return [
        file
        for file in tracked()
        if file.suffix in {".c", ".h"} and file.relative_to(ROOT).parts[0] in C_DIRS
    ]


def name_of(file: Path) -> str:
    return str(file.relative_to(ROOT))


def without_comments(source: str) -> str:
    """The C source, comments and contents of literals blanked out; lines stay where they are."""

    def blank(match: re.Match[str]) -> str:
        text = match.group(0)
        if text[0] in "\"'":
            return text[0] + text[0]
        return "\n" * text.count("\n") or " "

    pattern = r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\''
    return re.sub(pattern, blank, source, flags=re.DOTALL)
