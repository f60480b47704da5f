"""Services, methods and messages: of a server, by reflection over MQTT, or of files."""

from __future__ import annotations

import argparse
import difflib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from typing import Any, TypeAlias

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool
from google.protobuf.message import DecodeError

import grpc_mqtt
from grpc_mqtt import _reflection
from grpc_mqtt._errors import Error, NotFoundError
from grpc_mqtt.cli import _dynamic
from grpc_mqtt.cli._failure import Failure, Usage, of_rpc, one_line

Files = dict[str, descriptor_pb2.FileDescriptorProto]
Metadata: TypeAlias = tuple[tuple[str, str | bytes], ...]
Descriptor: TypeAlias = Any  # of google.protobuf: classes differ between implementations


def add_sources(parser: argparse.ArgumentParser, default: str = "the server's reflection") -> None:
    """The options that name files; `default` says what it is without any."""
    group = parser.add_argument_group(f"messages and methods (default: {default})")
    group.add_argument(
        "--proto", action="append", default=[], metavar="FILE", help=".proto file; may be repeated"
    )
    group.add_argument(
        "--import-path",
        action="append",
        default=[],
        metavar="DIR",
        help="where --proto and its imports are looked for (default: .)",
    )
    group.add_argument(
        "--protoset",
        action="append",
        default=[],
        metavar="FILE",
        help="written by protoc --include_imports --descriptor_set_out",
    )


def has_sources(args: argparse.Namespace) -> bool:
    return bool(args.proto or args.protoset)


# ---- Files


def _read_protoset(file: str) -> Files:
    try:
        with open(file, "rb") as stream:
            content = descriptor_pb2.FileDescriptorSet.FromString(stream.read())
    except OSError as error:
        raise Failure(f"--protoset {file}: {error.strerror}") from error
    except DecodeError as error:
        raise Failure(
            f"--protoset {file} is no descriptor set: "
            "protoc --include_imports --descriptor_set_out=FILE makes one"
        ) from error
    return {each.name: each for each in content.file}


def _protoc() -> list[str]:
    if importlib.util.find_spec("grpc_tools") is not None:
        return [sys.executable, "-m", "grpc_tools.protoc"]
    if found := shutil.which("protoc"):
        return [found]
    raise Failure(
        "--proto needs a compiler: pip install 'grpc-mqtt[cli]', or apt-get install "
        "protobuf-compiler (or give --protoset)"
    )


def _name_in(file: str, paths: list[str]) -> tuple[str, list[str]]:
    """The name of `file` as protoc knows it, and where protoc is to look."""
    for path in paths:
        if os.path.exists(os.path.join(path, file)):
            return file, paths
    if not os.path.exists(file):
        where = ", ".join(paths) if paths else "."
        raise Failure(f"--proto {file}: no such file in {where} (--import-path names others)")
    directory = os.path.dirname(os.path.abspath(file))
    return os.path.basename(file), [*paths, directory]


def _compile(protos: list[str], paths: list[str]) -> Files:
    names = []
    for proto in protos:
        name, paths = _name_in(proto, paths)
        names.append(name)
    with tempfile.TemporaryDirectory(prefix="grpc-mqtt-") as directory:
        out = os.path.join(directory, "files.protoset")
        includes = [f"-I{path}" for path in (*paths, grpc_mqtt.proto_path())]
        command = [*_protoc(), *includes, "--include_imports", f"--descriptor_set_out={out}"]
        ended = subprocess.run([*command, *names], capture_output=True, text=True, check=False)
        if ended.returncode or not os.path.exists(out):
            said = [line for line in ended.stderr.splitlines() if line.strip()]
            raise Failure(f"--proto: {one_line(said[0]) if said else 'protoc failed'}")
        return _read_protoset(out)


def _from_files(args: argparse.Namespace) -> Files:
    files: Files = {}
    for file in args.protoset:
        files.update(_read_protoset(file))
    if args.proto:
        files.update(_compile(args.proto, list(args.import_path)))
    return files


# ---- Reflection


def _unsupported(base: str) -> Failure:
    return Failure(
        f"the server at {base} has no reflection: give its files with --proto or --protoset"
    )


class Reflection:
    """Asks the server; only for what is needed."""

    def __init__(
        self,
        channel: grpc.Channel,
        base: str,
        timeout: float | None = None,
        metadata: Metadata = (),
    ) -> None:
        self._metadata = metadata
        self._channel = channel
        self._base = base
        self._timeout = timeout

    def _with_stream(self, work: Any) -> Any:
        """What work(stream) gives, by reflection v1, else v1alpha."""
        for service in _reflection.SERVICES:
            stream = _reflection.Stream(self._channel, service, self._timeout, self._metadata)
            try:
                return work(stream)
            except grpc.RpcError as error:
                if error.code() is not grpc.StatusCode.UNIMPLEMENTED:
                    raise of_rpc(error, f"reflection of {self._base}") from error
            except StopIteration:
                raise Failure(f"reflection of {self._base}: the server ended the call") from None
            finally:
                stream.close()
        raise _unsupported(self._base)

    def services(self) -> list[str]:
        names: list[str] = self._with_stream(
            lambda stream: list(_reflection.service_names(self._base, stream))
        )
        return sorted(names)

    def files(self, symbols: Iterable[str]) -> Files:
        """The files of these symbols, with what they import; NotFoundError for unknown ones."""

        def fetch(stream: Any) -> Files:
            found = _reflection.Files(self._base, stream)
            for symbol in symbols:
                found.fetch(_reflection.FILE_WITH_SYMBOL, symbol)
            found.fetch_imports()
            return found.found

        result: Files = self._with_stream(fetch)
        return result


# ---- What there is


def _add(pool: descriptor_pool.DescriptorPool, files: Files) -> None:
    """Imports first; what is missing is filled in from the files of this process."""
    done: set[str] = set()

    def add(name: str) -> None:
        if name in done:
            return
        done.add(name)
        file = files.get(name)
        if file is None:
            file = descriptor_pb2.FileDescriptorProto()
            try:
                descriptor_pool.Default().FindFileByName(name).CopyToProto(file)
            except KeyError:
                return  # left out; whatever needs it fails, and names it
        for imported in file.dependency:
            add(imported)
        pool.AddSerializedFile(file.SerializeToString())

    for name in list(files):
        try:
            add(name)
        except TypeError as error:
            raise Failure(f"{name} cannot be used: {one_line(error)}") from error


class Schema:
    """The services of a server or of files; asks for what it does not have yet."""

    def __init__(self, files: Files | None, reflection: Reflection | None) -> None:
        self._files: Files = {}
        self.pool = descriptor_pool.DescriptorPool()
        self._reflection = reflection
        if files is not None:
            self._merge(files)

    def learn_from(self, files: Files) -> None:
        """Adds files."""
        self._merge(files)

    def _merge(self, files: Files) -> None:
        self._files.update({name: file for name, file in files.items() if name not in self._files})
        _add(self.pool, files)

    @property
    def from_server(self) -> bool:
        return self._reflection is not None

    def services(self) -> list[str]:
        if self._reflection is not None:
            return self._reflection.services()
        return sorted(_services_of(self._files.values()))

    def _learn(self, symbol: str) -> bool:
        if self._reflection is None:
            return False
        try:
            self._merge(self._reflection.files([symbol]))
        except NotFoundError:
            return False
        except (Error, DecodeError, UnicodeDecodeError) as error:
            raise Failure(f"reflection: {one_line(error)}") from error
        return True

    def service(self, name: str) -> Descriptor:
        for again in (False, True):
            try:
                return self.pool.FindServiceByName(name)
            except KeyError:
                if again or not self._learn(name):
                    break
        raise Failure(f"there is no service {name!r}{nearest(name, self.services())}")

    def symbol(self, name: str) -> Descriptor:
        """A service, method, message or enum."""
        whole = name.strip("/")
        # not every server knows methods by name
        for owner in ("", whole.partition("/")[0], whole.rpartition(".")[0]):
            if owner and not self._learn(owner):
                continue
            found = _find(self.pool, name)
            if found is not None:
                return found
        raise Failure(f"there is no {name!r}{nearest(name, self._names())}")

    def _names(self) -> list[str]:
        names = self.services()
        for file in self._files.values():
            package = f"{file.package}." if file.package else ""
            names += [package + each.name for each in file.message_type]
            names += [package + each.name for each in file.enum_type]
        return names

    def method(self, path: str) -> Descriptor:
        """Of "pkg.Svc/Method", "/pkg.Svc/Method" or "pkg.Svc.Method"."""
        service_name, name = split_method(path)
        service = self.service(service_name)
        method = service.methods_by_name.get(name)
        if method is None:
            known = [each.name for each in service.methods]
            raise Failure(f"{service_name} has no method {name!r}{nearest(name, known)}")
        return method

    def message_class(self, descriptor: Descriptor) -> Any:
        return _dynamic.message_class(self.pool, descriptor)


def split_method(path: str) -> tuple[str, str]:
    text = path.strip("/")
    service, slash, name = text.partition("/")
    if not slash:
        service, _, name = text.rpartition(".")
    if not service or not name or "/" in name:
        raise Usage(f"{path!r} is no method: package.Service/Method is meant")
    return service, name


def _services_of(files: Iterable[descriptor_pb2.FileDescriptorProto]) -> Iterator[str]:
    for file in files:
        package = f"{file.package}." if file.package else ""
        for service in file.service:
            yield package + service.name


def _find(pool: descriptor_pool.DescriptorPool, name: str) -> Descriptor | None:
    text = name.strip("/")
    if "/" in text:
        text = text.replace("/", ".")
    finders: tuple[Any, ...] = (
        pool.FindServiceByName,
        pool.FindMessageTypeByName,
        pool.FindEnumTypeByName,
        pool.FindMethodByName,
    )
    for find in finders:
        try:
            return find(text)
        except KeyError:
            continue
    return None


def nearest(word: str, known: Iterable[str]) -> str:
    """ "; nearest: ..." with the known names most like `word`, or ""."""
    by_fold = {name.casefold(): name for name in known}
    found = difflib.get_close_matches(word.casefold(), by_fold, n=3, cutoff=0.5)
    if not found:  # perhaps the package is left out
        tail = word.rpartition(".")[2].casefold()
        found = [fold for fold in by_fold if fold.rpartition(".")[2] == tail][:3]
    if found:
        return "; nearest: " + ", ".join(by_fold[fold] for fold in found)
    names = sorted(by_fold.values())
    if not names:
        return ""
    return "; there are " + ", ".join(names[:6]) + (", ..." if len(names) > 6 else "")


def kind_of(method: Descriptor) -> int:
    """A gmq_rpc_kind."""
    proto = descriptor_pb2.MethodDescriptorProto()
    method.CopyToProto(proto)
    return int(proto.client_streaming) + 2 * int(proto.server_streaming)


def load_files(args: argparse.Namespace) -> Schema:
    return Schema(_from_files(args), None)


def descriptor_set(args: argparse.Namespace) -> bytes:
    """The files that the options name, as the library takes them."""
    files = _from_files(args)
    return descriptor_pb2.FileDescriptorSet(file=files.values()).SerializeToString()


def open_schema(
    args: argparse.Namespace,
    channel: grpc.Channel,
    base: str,
    timeout: float | None,
    metadata: Metadata = (),
) -> Schema:
    """Of the files that the options name, else of the server."""
    if has_sources(args):
        return load_files(args)
    return Schema(None, Reflection(channel, base, timeout, metadata))
