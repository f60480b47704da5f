"""grpcio's own tests, from Debian's source package of grpc: fetched, made ready, run.

Everything fetched or generated is kept in a directory outside the tree (GRPC_SUITE_CACHE, default
$XDG_CACHE_HOME/grpc-mqtt/grpcio-suite); none of it is ours.
"""

from __future__ import annotations

import atexit
import os
import re
import shutil
import subprocess
import tarfile
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
GRPCIO = "1.51.3"  # of the series of Debian's source package
_PACKAGES = ("channelz", "health-checking", "reflection", "status", "testing", "tools")


def cache_directory() -> Path:
    default = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "grpc-mqtt"
    return Path(os.environ.get("GRPC_SUITE_CACHE") or default / "grpcio-suite")


def _run(*command: object, cwd: Path | None = None) -> None:
    done = subprocess.run(
        [str(word) for word in command], cwd=cwd, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, command))}:\n{done.stdout}{done.stderr}")


def _codename() -> str:
    lines = Path("/etc/os-release").read_text().splitlines()
    values = dict(line.split("=", 1) for line in lines if "=" in line)
    return values.get("VERSION_CODENAME", "bookworm").strip('"')


class Suite:
    """The tests, ready to run."""

    def __init__(self, cache: Path | None = None) -> None:
        self.cache = cache or cache_directory()
        self.cache.mkdir(parents=True, exist_ok=True)
        self.source = self._source()
        self.python = self._environment()
        self.generated = self._generated()
        self.package = self._package()
        self.tests = self.source / "src" / "python" / "grpcio_tests"

    def _source(self) -> Path:
        """`apt-get source grpc`, with sources and lists of its own: nothing of the system's apt
        configuration is changed, and it need not know any deb-src.
        """
        found = sorted(self.cache.glob("grpc-[0-9]*"))
        if found:
            return found[-1]
        apt = self.cache / "apt"
        for name in ("lists/partial", "cache/archives/partial"):
            (apt / name).mkdir(parents=True, exist_ok=True)
        mirror = os.environ.get("GRPC_SUITE_MIRROR", "http://deb.debian.org/debian")
        sources = apt / "sources.list"
        sources.write_text(f"deb-src {mirror} {_codename()} main\n")
        options = {
            "Dir::Etc::SourceList": sources,
            "Dir::Etc::SourceParts": "/dev/null",
            "Dir::State::Lists": apt / "lists",
            "Dir::Cache": apt / "cache",
            "APT::Sandbox::User": "",
            "Acquire::Retries": 5,
        }
        get = ["apt-get", "-q", *(f"-o{key}={value}" for key, value in options.items())]
        _run(*get, "update")
        _run(*get, "source", "--download-only", "grpc", cwd=self.cache)
        (archive,) = self.cache.glob("grpc_*.orig.tar.*")
        return self._unpacked(archive)

    def _unpacked(self, archive: Path) -> Path:
        work = self.cache / "unpacking"
        with tarfile.open(archive) as tar:
            tar.extractall(work)
        (top,) = (path for path in work.iterdir() if path.name.startswith("grpc-"))
        target = self.cache / top.name
        top.rename(target)  # last, so that it is there whole or not at all
        return target

    def _environment(self) -> Path:
        """A virtual environment with grpcio of the time of the tests."""
        home = self.cache / f"venv-{GRPCIO}"
        stamp = home / "complete-2"
        if not stamp.exists():
            _run("/usr/bin/python3", "-m", "venv", "--clear", home)
            wanted = [f"grpcio-{name}=={GRPCIO}" for name in _PACKAGES]
            extra = ["setuptools<80", "coverage", "google-auth", "absl-py", "requests"]
            _run(home / "bin/pip", "install", "-q", f"grpcio=={GRPCIO}", *wanted, *extra)
            stamp.touch()
        return home / "bin" / "python"

    def _generated(self) -> Path:
        """Code of the .proto files that the tests import."""
        out = self.cache / "generated-2"
        if out.exists():
            return out
        work = self.cache / "generating"
        work.mkdir(exist_ok=True)
        self._protoc(work, self.source, "src/proto/grpc/testing")
        self._protoc(work, self.source / "src/python/grpcio_tests", "tests/testing/proto")
        for part in ("payload", "requests", "responses", "service"):
            folder = f"tests/protoc_plugin/protos/{part}"
            self._protoc(work, self.source / "src/python/grpcio_tests", folder)
        # tests/ is a package of the source; what is generated for it must stand in there.
        for file in (work / "tests").rglob("*.py"):
            file.rename(self.source / "src/python/grpcio_tests" / file.relative_to(work))
        work.rename(out)
        return out

    def _package(self) -> Path:
        """A directory with our package alone, as scripts/setup has installed it: beside it there is
        another grpcio. GRPC_SUITE_PACKAGE is a package directory to be tried instead.
        """
        given = os.environ.get("GRPC_SUITE_PACKAGE")
        found = sorted(HERE.parents[2].glob(".venv/lib/python3*/site-packages/grpc_mqtt"))
        if not given and not found:
            raise RuntimeError("grpc_mqtt is not installed in .venv: run scripts/setup --tests")
        directory = Path(tempfile.mkdtemp(prefix="grpc-mqtt-package."))
        atexit.register(shutil.rmtree, directory)
        (directory / "grpc_mqtt").symlink_to(Path(given).resolve() if given else found[-1])
        return directory

    def _protoc(self, out: Path, include: Path, folder: str) -> None:
        options = [f"-I{include}", f"--python_out={out}", f"--grpc_python_out={out}"]
        for path in sorted((include / folder).rglob("*.proto")):
            if "xds" not in path.parts:  # one at a time: some define the same messages
                file = path.relative_to(include)
                _run(self.python, "-m", "grpc_tools.protoc", *options, file)

    def modules(self, pattern: str) -> list[str]:
        """Names of the modules whose path matches: `unit/_api_test`, `tests_aio/unit/*`."""
        folder = "" if pattern.startswith("tests") else "tests/"
        found = sorted(self.tests.glob(f"{folder}{pattern}.py"))
        names = [".".join(path.relative_to(self.tests).with_suffix("").parts) for path in found]
        return [name for name in names if not name.endswith("__init__")]

    def run(self, module: str, url: str | None, patience: float = 300) -> Outcome:
        """One module in a process of its own; `url` None: with grpcio as it is."""
        path = [self.tests, self.generated, self.package]
        environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
        if url is not None:
            path.insert(0, HERE)
            environment["GRPC_SUITE_URL"] = url
        environment["PYTHONPATH"] = os.pathsep.join(map(str, path))
        started = time.monotonic()
        command = [str(self.python), "-W", "ignore", "-m", "unittest", "-v", module]
        output, timed_out = _output(command, environment, self.tests, patience)
        return Outcome(module, output, timed_out, time.monotonic() - started)


def _output(
    command: list[str], environment: dict[str, str], folder: Path, patience: float
) -> tuple[str, bool]:
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    try:
        return process.communicate(timeout=patience)[0], False
    except subprocess.TimeoutExpired:
        process.kill()
        return process.communicate()[0], True


@dataclass
class Outcome:
    """How a module went."""

    module: str
    output: str
    timed_out: bool
    seconds: float
    failed: list[str] = field(default_factory=list)
    """Class.test of each that failed, or what else went wrong."""
    count: int = 0

    def __post_init__(self) -> None:
        ran = re.findall(r"^Ran (\d+) tests? in", self.output, re.MULTILINE)
        self.count = int(ran[-1]) if ran else 0
        found = re.findall(
            r"^(?:FAIL|ERROR|UNEXPECTED SUCCESS): (\S+) \((\S+)\)", self.output, re.MULTILINE
        )
        self.failed = sorted({_identity(name, place) for name, place in found})
        if self.timed_out:
            self.failed.append(f"timed out in {self._last_started()}")
        elif not ran:
            self.failed.append("crashed: " + "\n".join(self.output.splitlines()[-3:]))

    def _last_started(self) -> str:
        names = re.findall(r"^(test\w+) \((\S+)\)", self.output, re.MULTILINE)
        return _identity(*names[-1]) if names else "no test"


def _identity(name: str, place: str) -> str:
    """`Class.test`; unittest writes (module.Class) or, later, (module.Class.test)."""
    parts = place.split(".")
    if parts[-1] == name:
        parts.pop()
    return f"{parts[-1]}.{name}"
