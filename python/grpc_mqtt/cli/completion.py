"""grpc-mqtt completion: what a shell needs to complete the command line."""

from __future__ import annotations

import argparse
import importlib
from typing import Any

from grpc_mqtt.cli._failure import Failure

NAME = "completion"
HELP = "completion of the command line for bash or zsh"
EXAMPLES = """\
  grpc-mqtt completion bash > ~/.local/share/bash-completion/completions/grpc-mqtt
  grpc-mqtt completion zsh > ~/.zfunc/_grpc-mqtt     # a directory of $fpath
  eval "$(grpc-mqtt completion bash)"                # for this shell only"""

_FILES = ("cafile", "cert", "key", "password_file", "proto", "protoset", "output")
_DIRECTORIES = ("import_path", "directory")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", choices=("bash", "zsh"))


def _mark(parser: argparse.ArgumentParser, shtab: Any) -> None:
    """Says which arguments are files."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for sub in action.choices.values():
                _mark(sub, shtab)
        elif action.dest in _FILES:
            action.complete = shtab.FILE  # type: ignore[attr-defined]
        elif action.dest in _DIRECTORIES:
            action.complete = shtab.DIRECTORY  # type: ignore[attr-defined]


def run(args: argparse.Namespace) -> int:
    from grpc_mqtt.cli.main import parser

    try:
        shtab: Any = importlib.import_module("shtab")
    except ImportError as error:
        raise Failure("completion needs shtab: pip install 'grpc-mqtt[cli]'") from error
    whole = parser()
    _mark(whole, shtab)
    print(shtab.complete(whole, shell=args.shell))
    return 0
