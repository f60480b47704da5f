"""What the libraries export is what the headers declare, and what was promised stays.

Looks at build/lib, or at lib of GMQ_BUILD_DIR. When something was added on purpose:
tests/abi/manifest.py --update, and --baseline build/lib/libgrpc_mqtt.so.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from pathlib import Path

import manifest
import pytest

ROOT = manifest.ROOT
BUILD = Path(os.environ.get("GMQ_BUILD_DIR") or ROOT / "build")
LIBRARIES = sorted(manifest.MAPS)


def library(name: str) -> Path:
    file = BUILD / "lib" / f"lib{name}.so"
    if not file.exists():
        pytest.skip(f"{file} is not built")
    return file


def linker_map(name: str) -> set[str]:
    text = (ROOT / manifest.MAPS[name]).read_text()
    exported = text.split("global:")[1].split("local:")[0]
    return set(re.sub(r"/\*.*?\*/", "", exported, flags=re.DOTALL).replace(";", " ").split())


@pytest.mark.parametrize("name", LIBRARIES)
def test_linker_map_is_what_the_headers_declare(name: str) -> None:
    assert linker_map(name) == manifest.library_functions(name)


@pytest.mark.skipif(not shutil.which("nm"), reason="nm is not installed")
@pytest.mark.parametrize("name", LIBRARIES)
def test_library_exports_what_the_headers_declare(name: str) -> None:
    listed = subprocess.run(
        ["nm", "-D", "--defined-only", str(library(name))],
        capture_output=True,
        text=True,
        check=True,
    )
    symbols = {tuple(line.split()[1:3]) for line in listed.stdout.splitlines()}
    exported = {symbol.split("@")[0] for kind, symbol in symbols if kind != "A"}  # A: the version
    assert exported == manifest.library_functions(name)


def test_promises_are_kept() -> None:
    promised = set(manifest.MANIFEST.read_text().splitlines())
    declared = set(manifest.manifest())
    broken = sorted(promised - declared)
    added = sorted(declared - promised)
    assert not broken, "these were promised:\n" + "\n".join(broken)
    assert not added, "new; to stay? then tests/abi/manifest.py --update:\n" + "\n".join(added)


def test_every_declaration_says_since_when() -> None:
    silent = []
    for header in manifest.HEADERS.glob("*.h"):
        text = header.read_text()
        for match in re.finditer(r"^GMQ_API [^;]+;", text, re.MULTILINE):
            before = text[: match.start()].rstrip()
            comment = before[before.rfind("/**") :] if before.endswith("*/") else ""
            if "Since " not in comment:
                silent.append(f"{header.name}: {match.group(0)[:70]}")
    assert not silent, "\n".join(silent)


def test_public_types_are_opaque() -> None:
    for header in manifest.HEADERS.glob("*.h"):
        code = manifest.code_of(header)
        assert not re.search(r"\b(struct|union) \w* ?\{", code), header.name
        assert not re.search(r"\(\* ?\w+\) ?\(", code), f"{header.name} has a callback"
        assert "..." not in code, f"{header.name} has varargs"
        assert "inline" not in code, header.name


@pytest.mark.skipif(not shutil.which("abidiff"), reason="abidiff (abigail-tools) is missing")
@pytest.mark.skipif(platform.machine() != "x86_64", reason="the baseline is of x86-64")
def test_abidiff_with_the_baseline() -> None:
    """Nothing but additions; what types have behind the public headers does not count."""
    command = ["abidiff", "--no-added-syms", "--headers-dir2", str(manifest.HEADERS)]
    run = subprocess.run(
        [*command, str(manifest.BASELINE), str(library("grpc_mqtt"))],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr


def test_the_parser() -> None:
    code = (
        "GMQ_API gmq_status  gmq_a_b( gmq_a ** out,const void *data , size_t len ); "
        "typedef struct gmq_a gmq_a; GMQ_API const gmq_a* gmq_a_c(void);"
    )
    assert manifest.functions(code) == {
        "gmq_a_b": "gmq_status gmq_a_b(gmq_a **out, const void *data, size_t len)",
        "gmq_a_c": "const gmq_a *gmq_a_c(void)",
    }
    assert manifest.types(code) == {"gmq_a"}
    values = manifest.enum_values("typedef enum e { A = 0, B = -1, C = 0x10 } e;")
    assert values == {"e A": 0, "e B": -1, "e C": 16}
    with pytest.raises(ValueError, match="B has no value"):
        manifest.enum_values("enum e { A = 0, B }")
