"""An installed grpc-mqtt as other CMake projects find it: find_package(), grpc_mqtt_generate()."""

import os
import subprocess

import pytest
from stack import BUILD, ROOT

PROJECT = ROOT / "tests/fixtures/cmake_project"

if not (BUILD / "bin" / "protoc-gen-grpc-mqtt-c").exists():
    pytest.skip("protoc-gen-grpc-mqtt-c is not built", allow_module_level=True)


def cmake(*arguments):
    done = subprocess.run(["cmake", *arguments], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.fixture(scope="module")
def prefix(tmp_path_factory):
    place = tmp_path_factory.mktemp("prefix")
    status, said = cmake("--install", BUILD, "--prefix", place)
    assert status == 0, said
    return place


def configure(prefix, build, *arguments, project=PROJECT):
    place = f"-DCMAKE_PREFIX_PATH={prefix}"
    return cmake("-S", project, "-B", build, "-G", "Ninja", place, *arguments)


def libraries(prefix):
    """Where the loader finds the installed libraries."""
    return [str(file.parent) for file in prefix.glob("lib/**/libgrpc_mqtt.so")]


def test_a_project_of_its_own(prefix, tmp_path):
    status, said = configure(prefix, tmp_path, "-DCMAKE_C_FLAGS=-Wall -Wextra -Werror")
    assert status == 0, said
    status, said = cmake("--build", tmp_path)
    assert status == 0, said
    done = subprocess.run([tmp_path / "car"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "2 methods, level 3\nwheel door engine\n")
    assert "no work to do" in cmake("--build", tmp_path)[1]


def test_the_examples_by_themselves(prefix, tmp_path):
    """docs/examples/c with an installed grpc-mqtt, as its first lines say."""
    status, said = configure(prefix, tmp_path, project=ROOT / "docs/examples/c")
    assert status == 0, said
    assert cmake("--build", tmp_path, "--target", "typed_server", "unary")[0] == 0


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        ("broken", "which .proto files?"),
        ("nothing;fleet/v1/car.proto", 'there is no target "nothing"'),
        ("broken;missing.proto", "missing.proto is not below any of"),
        ("broken;protos/bad.proto", "bad.proto:1:"),
    ],
)
def test_mistakes_are_named(prefix, tmp_path, broken, says):
    project = tmp_path / "project"
    (project / "protos").mkdir(parents=True)
    (project / "CMakeLists.txt").write_text((PROJECT / "CMakeLists.txt").read_text())
    (project / "protos/bad.proto").write_text("syntax = proto3;\n")
    status, said = configure(prefix, tmp_path / "build", f"-DBROKEN={broken}", project=project)
    assert status != 0
    assert says in " ".join(said.split())


def test_pkg_config(prefix, tmp_path):
    """The line of docs/guide/c.md; the package is not where it was configured for."""
    (folder,) = libraries(prefix)
    env = {**os.environ, "PKG_CONFIG_PATH": f"{folder}/pkgconfig"}
    line = subprocess.run(
        ["pkg-config", "--cflags", "--libs", "grpc_mqtt"],
        capture_output=True,
        text=True,
        check=True,
        env=env,
    ).stdout.split()
    source = ROOT / "tests/fixtures/cmake_project/version.c"
    subprocess.run(["cc", source, "-o", tmp_path / "version", *line], check=True)
    env = {**os.environ, "LD_LIBRARY_PATH": folder}
    done = subprocess.run([tmp_path / "version"], capture_output=True, check=True, env=env)
    assert done.stdout
