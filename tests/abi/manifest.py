#!/usr/bin/env python3
"""The ABI as the public headers declare it: printed, or with --update written to manifest.txt.
With --baseline LIBRARY, abidw's view of the built library is written to libgrpc_mqtt.abi.

One line for each function (with its whole declaration), opaque type and enum value. What stands in
manifest.txt has been promised: lines may be added, none may change or go without a new soname.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HEADERS = ROOT / "include" / "grpc_mqtt"
MANIFEST = Path(__file__).with_name("manifest.txt")
BASELINE = Path(__file__).with_name("libgrpc_mqtt.abi")
OF_GATEWAY = {"gateway.h", "proxy.h"}
MAPS = {
    "grpc_mqtt": "csrc/api/grpc_mqtt.map",
    "grpc_mqtt_gateway": "csrc/gateway/grpc_mqtt_gateway.map",
}


def code_of(header: Path) -> str:
    """The header without comments and preprocessor lines, on one line."""
    text = re.sub(r"/\*.*?\*/|//[^\n]*", " ", header.read_text(), flags=re.DOTALL)
    text = re.sub(r"^[ \t]*#.*$", " ", text, flags=re.MULTILINE)
    return re.sub(r"\s+", " ", text)


def functions(code: str) -> dict[str, str]:
    """name -> declaration, spaces made even."""
    found = {}
    for declaration in re.findall(r"\bGMQ_API ([^;{]+);", code):
        plain = re.sub(r"\s*([(),*])\s*", r"\1", re.sub(r"\s+", " ", declaration.strip()))
        plain = re.sub(r"(?<=\w)(\*+)", r" \1", plain).replace(",", ", ")
        found[re.findall(r"(\w+)\(", plain)[0]] = plain
    return found


def enum_values(code: str) -> dict[str, int]:
    """Value of every enumerator; each must be written out, so that none moves when one is added."""
    found = {}
    for name, body in re.findall(r"\benum (\w+) ?\{([^}]*)\}", code):
        for item in filter(None, (part.strip() for part in body.split(","))):
            key, _, value = (part.strip() for part in item.partition("="))
            if not value:
                raise ValueError(f"{name}: {key} has no value of its own")
            found[f"{name} {key}"] = int(value, 0)
    return found


def types(code: str) -> set[str]:
    return set(re.findall(r"\btypedef struct (\w+) \w+ ?;", code))


def library_of(header: Path) -> str:
    return "grpc_mqtt_gateway" if header.name in OF_GATEWAY else "grpc_mqtt"


def library_functions(library: str) -> set[str]:
    headers = [header for header in HEADERS.glob("*.h") if library_of(header) == library]
    return {name for header in headers for name in functions(code_of(header))}


def manifest() -> list[str]:
    lines = set()
    for header in HEADERS.glob("*.h"):
        code, library = code_of(header), library_of(header)
        lines |= {f"function {library} {name}: {text}" for name, text in functions(code).items()}
        lines |= {f"value {name} = {value}" for name, value in enum_values(code).items()}
        lines |= {f"type {name}" for name in types(code)}
    return sorted(lines)


def write_baseline(library: str) -> None:
    """What is private, or of the machine, is left out as far as abidw can."""
    left_out = ["--drop-private-types", "--exported-interfaces-only", "--no-elf-needed"]
    no_places = ["--no-corpus-path", "--no-comp-dir-path", "--no-show-locs", "--short-locs"]
    command = ["abidw", "--headers-dir", str(HEADERS), *left_out, *no_places]
    subprocess.run([*command, "--out-file", str(BASELINE), library], check=True)


def main() -> int:
    text = "\n".join(manifest()) + "\n"
    if sys.argv[1:] == ["--update"]:
        MANIFEST.write_text(text)
    elif sys.argv[1:2] == ["--baseline"] and len(sys.argv) == 3:
        write_baseline(sys.argv[2])
    elif sys.argv[1:]:
        print(__doc__, file=sys.stderr)
        return 2
    else:
        print(text, end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
