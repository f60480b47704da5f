"""Budgets: no function over 100 lines, nine of ten under 45; no file over 800 lines."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from lint_tree import ROOT, c_files, name_of, tracked, without_comments

FILE_MAX = 800
FUNCTION_MAX = 100
P90_MAX = 45

# The tree's format puts the brace that opens a function, and the one that closes it, alone into the
# first column.
FUNCTION = re.compile(r"^([A-Za-z_][^;{}#=]*)\n\{\n.*?^\}$", re.MULTILINE | re.DOTALL)
ONE_LINE = re.compile(r"^[A-Za-z_][^;{}#=\n]*\) \{ .* \}$", re.MULTILINE)


def c_functions(source: str) -> list[tuple[str, int]]:
    """(name, lines) of each function of a C source."""
    code = without_comments(source)
    found = [(head_name(m.group(1)), m.group(0).count("\n") + 1) for m in FUNCTION.finditer(code)]
    return found + [(head_name(m.group(0)), 1) for m in ONE_LINE.finditer(code)]


def head_name(head: str) -> str:
    match = re.search(r"(\w+)\s*\(", head)
    return match.group(1) if match else head


def python_functions(source: str) -> list[tuple[str, int]]:
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    nodes = [node for node in ast.walk(ast.parse(source)) if isinstance(node, kinds)]
    return [(node.name, (node.end_lineno or node.lineno) - node.lineno + 1) for node in nodes]


def python_files() -> list[Path]:
    return [file for file in tracked() if file.suffix == ".py"]


def functions() -> list[tuple[str, str, int]]:
    """(file, name, lines) of every function in the tree."""
    readers = [(f, c_functions) for f in c_files()] + [
        (f, python_functions) for f in python_files()
    ]
    return [(name_of(f), *found) for f, read in readers for found in read(f.read_text())]


def test_no_function_is_too_long() -> None:
    long = [(file, name, lines) for file, name, lines in functions() if lines > FUNCTION_MAX]
    assert not long, long


def test_most_functions_are_short() -> None:
    ours = ("csrc/", "python/")
    lengths = sorted(lines for file, _, lines in functions() if file.startswith(ours))
    assert len(lengths) > 20
    assert lengths[len(lengths) * 9 // 10] < P90_MAX


def test_no_file_is_too_long() -> None:
    suffixes = {".c", ".h", ".py", ".sh", ".i", ".swg", ".lua", ".cmake"}
    files = [f for f in tracked() if f.suffix in suffixes or f.parent == ROOT / "scripts"]
    lengths = {name_of(f): f.read_text().count("\n") for f in files if "fixtures" not in f.parts}
    long = {name: lines for name, lines in lengths.items() if lines > FILE_MAX}
    assert not long


def test_the_lint_counts() -> None:
    body = "    x();\n" * 120
    source = "static int a(void) { return 1; }\n\n/* { */\nvoid b(int x,\n       int y)\n{\n"
    source += body + "}\n"
    assert sorted(c_functions(source)) == [("a", 1), ("b", 124)]
    assert python_functions("def f():\n    a()\n    b()\n") == [("f", 3)]
