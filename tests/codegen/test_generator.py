"""protoc-gen-grpc-mqtt-c as protoc runs it: what it makes, how that compiles, and what it refuses.

The expected output is in tests/fixtures/typed/golden; after a change on purpose:
GMQ_UPDATE_GOLDEN=1 python -m pytest tests/codegen -k golden, and read the difference.
"""

import os
import shutil
import subprocess

import pytest
from google.protobuf import descriptor_pb2
from google.protobuf.compiler import plugin_pb2
from stack import BUILD, ROOT

PLUGIN = BUILD / "bin" / "protoc-gen-grpc-mqtt-c"
TYPED = ROOT / "tests/fixtures/typed"
PROTOS = ROOT / "tests/fixtures/protos"
INCLUDES = [TYPED, PROTOS, ROOT / "docs/examples/proto", ROOT / "proto", "/usr/include"]
OPTION_IMPORTS = [
    "google/protobuf/descriptor.proto",
    "haskell/grpc/mqtt/clevel.proto",
    "haskell/grpc/mqtt/option.proto",
]
TYPED_IMPORTS = ["deep/er/types.proto", "deep/public.proto", "google/protobuf/empty.proto"]
STRICT = [
    *["-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Wundef", "-Wcast-align", "-Wwrite-strings"],
    "-Werror",
]
C_ONLY = ["-Wmissing-prototypes", "-Wstrict-prototypes"]
ALIASING = ["-O2", "-Wstrict-aliasing=2"]  # what gcc finds while it optimises

if not PLUGIN.exists():
    pytest.skip(f"{PLUGIN} is not built", allow_module_level=True)


def protoc(out, *arguments, directory=TYPED):
    """(exit status, stderr) of protoc with the plugin."""
    includes = [f"-I{path}" for path in (directory, *INCLUDES)]
    done = subprocess.run(
        [
            *["protoc", f"--plugin={PLUGIN}", *includes],
            *[f"--grpc-mqtt-c_out={out}", *arguments],
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stderr


def messages(out, *protos):
    """The messages by protoc-c, for generated code to include."""
    includes = [f"-I{path}" for path in INCLUDES]
    subprocess.run(["protoc-c", *includes, f"--c_out={out}", *protos], check=True)


def run_plugin(request, *arguments):
    """(exit status, response or stderr); `request` is a message or bytes."""
    data = request if isinstance(request, bytes) else request.SerializeToString()
    done = subprocess.run([PLUGIN, *arguments], input=data, capture_output=True, check=False)
    if done.returncode != 0:
        return done.returncode, done.stderr.decode()
    return 0, plugin_pb2.CodeGeneratorResponse.FromString(done.stdout)


def a_file(name="x.proto", **fields):
    file = descriptor_pb2.FileDescriptorProto(name=name, syntax="proto3", package="p.v1", **fields)
    file.message_type.add(name="M")
    return file


def a_service(file, *methods, name="Svc"):
    service = file.service.add(name=name)
    for method in methods:
        service.method.add(name=method, input_type=".p.v1.M", output_type=".p.v1.M")
    return service


def a_request(*files, **fields):
    names = [file.name for file in files]
    return plugin_pb2.CodeGeneratorRequest(file_to_generate=names, proto_file=files, **fields)


def error_of(request):
    status, response = run_plugin(request)
    assert status == 0
    assert not response.file
    return response.error


# ---- What it makes ----


@pytest.mark.parametrize("name", ["no_package", "keywords", "messages_only"])
@pytest.mark.parametrize("ending", ["h", "c"])
def test_golden(tmp_path, name, ending):
    assert protoc(tmp_path, f"{name}.proto") == (0, "")
    made = (tmp_path / f"{name}.grpc-mqtt.{ending}").read_text()
    golden = TYPED / "golden" / f"{name}.grpc-mqtt.{ending}.txt"
    if os.environ.get("GMQ_UPDATE_GOLDEN"):
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(made)
    assert made == golden.read_text()


PROTO_SETS = {
    "no_package": [],
    "odd-name.v1": TYPED_IMPORTS,
    "old": [],
    "messages_only": [],
    "empty_service": [],
    "demo": [],
    "golden": OPTION_IMPORTS,
    "relay": [],
    "options_other_name": [*OPTION_IMPORTS, "hs_grpc_mqtt.proto"],
}


@pytest.fixture(scope="module")
def generated(tmp_path_factory):
    out = tmp_path_factory.mktemp("generated")
    names = [f"{name}.proto" for name in [*PROTO_SETS, "keywords"]]
    imports = sorted({name for needed in PROTO_SETS.values() for name in needed})
    assert protoc(out, *names)[0] == 0
    messages(out, *names, *imports)
    return out


def compile_strictly(compiler, generated, name, *arguments):
    done = subprocess.run(
        [
            *[compiler, *arguments, *STRICT, f"-I{ROOT}/include", "-isystem", generated],
            generated / f"{name}.grpc-mqtt.c",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", [*PROTO_SETS, "keywords"])
@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_it_is_strict_c11(generated, name, compiler):
    if not shutil.which(compiler):
        pytest.skip(f"{compiler} is not installed")
    mode = ["-c", "-o", os.devnull, *ALIASING] if compiler == "gcc" else ["-fsyntax-only"]
    compile_strictly(compiler, generated, name, "-std=c11", *C_ONLY, *mode)


@pytest.mark.skipif(not shutil.which("g++"), reason="no C++ compiler")
@pytest.mark.parametrize("name", PROTO_SETS)
def test_it_is_strict_cpp17(generated, name):
    compile_strictly("g++", generated, name, "-std=c++17", "-fsyntax-only", "-x", "c++")


def test_several_files_in_one_run(tmp_path):
    assert protoc(tmp_path, "no_package.proto", "odd-name.v1.proto") == (0, "")
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        "no_package.grpc-mqtt.c",
        "no_package.grpc-mqtt.h",
        "odd-name.v1.grpc-mqtt.c",
        "odd-name.v1.grpc-mqtt.h",
    ]


@pytest.mark.parametrize("proto", sorted(PROTOS.glob("*.proto")), ids=lambda file: file.stem)
def test_every_fixture_is_made_or_refused_by_name(tmp_path, proto):
    status, errors = protoc(tmp_path, proto.name)
    if status == 0:
        assert len(list(tmp_path.iterdir())) == 2
    else:
        assert f"{proto.name}: field " in errors and "is a group" in errors


def test_directories_are_kept(tmp_path):
    (tmp_path / "in/fleet/v1").mkdir(parents=True)
    (tmp_path / "in/fleet/v1/car.proto").write_text(
        'syntax = "proto3"; package fleet.v1; message Car {}\n'
        "service Cars { rpc Find(Car) returns (Car); }\n"
    )
    assert protoc(tmp_path, "fleet/v1/car.proto", directory=tmp_path / "in") == (0, "")
    header = (tmp_path / "fleet/v1/car.grpc-mqtt.h").read_text()
    assert '#include "fleet/v1/car.pb-c.h"' in header
    assert "grpc_mqtt__fleet_2fv1_2fcar_2eproto__add_methods" in header


def test_proto3_optional_is_no_reason_to_refuse(tmp_path):
    (tmp_path / "o.proto").write_text(
        'syntax = "proto3"; message M { optional int32 x = 1; } service S { rpc A(M) returns (M); }'
    )
    assert protoc(tmp_path, "o.proto", directory=tmp_path) == (0, "")


def test_nothing_asked_nothing_made():
    status, response = run_plugin(a_request())
    assert (status, len(response.file), response.error) == (0, 0, "")
    assert response.supported_features == response.FEATURE_PROTO3_OPTIONAL


def test_comments_cannot_end_the_comment():
    file = a_file()
    a_service(file, "A")
    for comment in ["*/ int x; /*", "//*/", "/", "*", "\n\n /*/ \n\t*\n/\n", "\\", "??/"]:
        del file.source_code_info.location[:]
        file.source_code_info.location.add(path=[6, 0], leading_comments=comment)
        file.source_code_info.location.add(path=[6, 0, 2, 0], leading_comments=comment)
        status, response = run_plugin(a_request(file))
        assert status == 0
        header = response.file[0].content
        for start in header.split("/*")[1:]:
            assert start.count("*/") == 1, header
        assert header.count("/*") == header.count("*/")


# ---- What it refuses ----


def test_a_group(tmp_path):
    (tmp_path / "g.proto").write_text(
        'syntax = "proto2"; package p; message Out { message In {\n'
        "optional group G = 1 { optional int32 a = 1; } } }\n"
    )
    status, errors = protoc(tmp_path, "g.proto", directory=tmp_path)
    assert status != 0
    assert 'g.proto: field "g" of message p.Out.In is a group' in errors


def test_editions():
    file = a_file()
    file.syntax = "editions"
    assert error_of(a_request(file)).startswith('x.proto: its syntax is "editions"')


def test_a_parameter(tmp_path):
    status, errors = protoc(tmp_path, "--grpc-mqtt-c_opt=colour=blue", "no_package.proto")
    assert status != 0
    assert 'unknown parameter "colour=blue"' in errors


@pytest.mark.parametrize(
    ("methods", "both"),
    [
        (("SayHello", "say_hello"), "p__v1__svc__say_hello"),
        (("Foo", "Foo_Call"), "p__v1__svc__foo__call"),
        (("Foo", "Foo_Reply_of"), "p__v1__svc__foo__reply_of"),
        (("A_B", "AB"), "P__V1__Svc__AB"),
    ],
)
def test_methods_that_are_one_in_c(methods, both):
    file = a_file()
    a_service(file, *methods)
    one, other = (f"method p.v1.Svc.{name}" for name in methods)
    assert (
        error_of(a_request(file)) == f"x.proto: {one} and {other} are both {both} in C: rename one"
    )


@pytest.mark.parametrize(
    ("one", "method", "other", "both"),
    [
        ("MySvc", "A", "my_svc", "p__v1__my_svc__init"),
        ("A_B", "C", "AB", "P__V1__AB"),
    ],
)
def test_services_that_are_one_in_c(one, method, other, both):
    file = a_file()
    a_service(file, method, name=one)
    a_service(file, method, name=other)
    assert error_of(a_request(file)) == (
        f"x.proto: service p.v1.{one} and service p.v1.{other} are both {both} in C: rename one"
    )


@pytest.mark.parametrize(("name", "function"), [("Init", "init"), ("Descriptor", "descriptor")])
def test_methods_that_protoc_c_confuses_with_its_own(name, function):
    file = a_file()
    a_service(file, name)
    assert error_of(a_request(file)) == (
        f"x.proto: service p.v1.Svc and method p.v1.Svc.{name} are both p__v1__svc__{function} "
        "in C: rename one"
    )


def test_methods_of_different_services_that_are_one_in_c():
    file = a_file()
    a_service(file, "C", name="A_B")
    a_service(file, "B_C", name="A")
    assert "method p.v1.A_B.C and method p.v1.A.B_C are both p__v1__a__b__c in C" in error_of(
        a_request(file)
    )
    file = a_file()
    a_service(file, "A")
    a_service(file, "New", name="SvcServer")
    assert (
        "service p.v1.Svc and method p.v1.SvcServer.New are both p__v1__svc_server__new in C"
        in error_of(a_request(file))
    )


@pytest.mark.parametrize("name", ["If", "Default", "register", "While"])
def test_methods_that_are_keywords_of_c(name):
    """protoc-c's header with it is none."""
    file = a_file()
    a_service(file, name)
    assert error_of(a_request(file)) == (
        f'x.proto: method p.v1.Svc.{name}: protoc-c makes "{name.lower()}" of it, a keyword of C, '
        "and so what no compiler takes: rename it"
    )


def test_the_faulty_one_of_several_files_is_named():
    good, bad = a_file("good.proto"), a_file("bad.proto")
    bad.syntax = "proto9"
    assert error_of(a_request(good, bad)).startswith("bad.proto: ")


def test_a_type_that_nobody_described():
    file = a_file()
    a_service(file, "A").method[0].output_type = ".p.v1.Missing"
    assert error_of(a_request(file)) == (
        "x.proto: method p.v1.Svc.A: message p.v1.Missing is in none of the files given"
    )


def test_a_file_that_was_not_handed_over():
    request = a_request(a_file())
    request.file_to_generate.append("other.proto")
    assert error_of(request) == "other.proto: protoc did not hand it to the plugin"


def test_bytes_that_are_no_request():
    status, errors = run_plugin(b"\xff\xff\xff")
    assert status == 1
    assert errors == "protoc-gen-grpc-mqtt-c: 3 bytes that are no CodeGeneratorRequest\n"


def test_names_that_are_missing():
    file = descriptor_pb2.FileDescriptorProto(name="x.proto")
    file.message_type.add()
    service = file.service.add()
    assert error_of(a_request(file)) == "x.proto: a service has no name"
    service.name = "S"
    service.method.add()
    assert error_of(a_request(file)) == "x.proto: method S.: its request or reply has no type"


def test_help_and_version():
    assert subprocess.run([PLUGIN, "--help"], capture_output=True, check=True).stdout
    done = subprocess.run([PLUGIN, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("protoc-gen-grpc-mqtt-c ")
    assert subprocess.run([PLUGIN, "x.proto"], capture_output=True, check=False).returncode == 1
