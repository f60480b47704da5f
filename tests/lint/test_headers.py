"""Headers stand alone: the public ones as strict C11 and C++17, the private ones as C11."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from lint_tree import BUILD, ROOT, name_of, tracked

STRICT = ["-pedantic", "-Wall", "-Wextra", "-Wshadow", "-Wundef", "-Werror", "-fsyntax-only"]
INCLUDE = [f"-I{ROOT}/include"]
PUBLIC = sorted((ROOT / "include" / "grpc_mqtt").glob("*.h"))
PRIVATE = [f for f in tracked() if name_of(f).startswith("csrc/") and f.suffix == ".h"]
PLUGIN = BUILD / "csrc/codegen/generated"
PROBES = [  # headers of other projects that a private header may need
    (PLUGIN / "google/protobuf/compiler/plugin.pb-c.h", "google/protobuf/compiler/"),
    (PLUGIN / "google/protobuf/compiler/plugin.pb-c.h", "codegen/"),
    (BUILD / "generated/google/protobuf/descriptor.pb-c.h", "google/"),
    (Path("/usr/include/grpc/grpc.h"), "<grpc/"),
]


def compiler(name: str, fallbacks: list[str]) -> str | None:
    found = (shutil.which(program) for program in [os.environ.get(name, ""), *fallbacks] if program)
    return next(filter(None, found), None)


CC = compiler("CC", ["cc", "gcc", "clang"])
CXX = compiler("CXX", ["c++", "g++", "clang++"])


def check(command: list[str], source: str) -> None:
    run = subprocess.run(command, input=source, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr


@pytest.mark.skipif(not CC, reason="no C compiler")
@pytest.mark.parametrize("header", PUBLIC, ids=lambda f: f.name)
def test_public_header_is_c11(header: Path) -> None:
    source = f"#include <grpc_mqtt/{header.name}>\n#include <grpc_mqtt/{header.name}>\n"
    check([str(CC), "-std=c11", "-Wstrict-prototypes", *STRICT, *INCLUDE, "-x", "c", "-"], source)


@pytest.mark.skipif(not CXX, reason="no C++ compiler")
@pytest.mark.parametrize("header", PUBLIC, ids=lambda f: f.name)
def test_public_header_is_cpp17(header: Path) -> None:
    source = f"#include <grpc_mqtt/{header.name}>\n#include <grpc_mqtt/{header.name}>\n"
    check([str(CXX), "-std=c++17", *STRICT, *INCLUDE, "-x", "c++", "-"], source)


@pytest.mark.skipif(not CC, reason="no C compiler")
@pytest.mark.parametrize("header", PRIVATE, ids=name_of)
def test_private_header_is_c11(header: Path) -> None:
    text = header.read_text()
    for probe, mark in PROBES:
        if mark in text and not probe.exists():
            pytest.skip(f"{probe.name} is not here")
    folders = [ROOT / "include", ROOT / "csrc", header.parent, BUILD / "generated", PLUGIN]
    includes = [f"-I{folder}" for folder in folders]
    check(
        [str(CC), "-std=c11", "-D_POSIX_C_SOURCE=200809L", *STRICT, *includes, "-x", "c", "-"],
        f'#include "{header}"\n#include "{header}"\n',
    )


def test_there_are_headers() -> None:
    assert len(PUBLIC) > 5
    assert len(PRIVATE) > 5
