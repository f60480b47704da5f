"""grpc-mqtt call, list, describe: the installed command against a server over mosquitto."""

import json
import subprocess
import threading

import grpc
import pytest
from cli_support import COMMAND, bad, demo_server, environment, good, run
from stack import ROOT

from grpc_mqtt.cli import main

DEMO = "demo.v1.Demo"
PROTO = ROOT / "docs/examples/proto/demo.proto"


def call(device, method, *words, **how):
    return good("call", *device, f"{DEMO}/{method}", *words, **how)


def test_list(device):
    services = good("list", *device).split()
    assert services == [DEMO, "grpc.health.v1.Health", "grpc.reflection.v1alpha.ServerReflection"]
    methods = good("list", *device, DEMO).split()
    assert methods == [f"{DEMO}/{name}" for name in ("SayHello", "Collect", "Count", "Chat")]
    assert "nearest: demo.v1.Demo" in bad(1, "list", *device, "demo.v1.Dmo")


def test_list_of_files(tmp_path, demo_protoset):
    assert good("list", "--protoset", demo_protoset) == DEMO + "\n"
    assert good("list", "--proto", PROTO) == DEMO + "\n"
    assert good("list", "--import-path", PROTO.parent, "--proto", PROTO.name) == DEMO + "\n"
    assert "no such file" in bad(1, "list", "--proto", "missing.proto")
    assert "no descriptor set" in bad(1, "list", "--protoset", PROTO)
    broken = tmp_path / "broken.proto"
    broken.write_text('syntax = "proto3";\nmessage {\n')
    assert "broken.proto:2" in bad(1, "list", "--proto", broken)
    assert "BASE is missing" in bad(2, "list")


def test_describe(device, demo_protoset):
    service = good("describe", *device, DEMO)
    assert "rpc Count(demo.v1.CountRequest) returns (stream demo.v1.CountReply);" in service
    assert service == good("describe", "--protoset", demo_protoset, DEMO)
    method = good("describe", *device, f"{DEMO}/SayHello")
    assert "rpc SayHello(demo.v1.HelloRequest) returns (demo.v1.HelloReply);" in method
    assert method == good("describe", *device, f"{DEMO}.SayHello")
    message = good("describe", *device, "demo.v1.HelloRequest")
    assert "  string name = 1;\n  uint32 delay_ms = 2;\n" in message
    enum = good("describe", *device, "grpc.health.v1.HealthCheckResponse")
    assert "  enum ServingStatus {\n    UNKNOWN = 0;" in enum
    asked = good("describe", *device, f"{DEMO}/SayHello", "--template")
    assert json.loads(asked) == {"name": "", "delayMs": 0}


def test_describe_shapes(tmp_path):
    """What a message may hold comes back as it would be written."""
    proto = tmp_path / "shapes.proto"
    body = """message Shapes {
  enum Colour {
    NONE = 0;
    RED = 1;
  }
  optional string maybe = 1;
  repeated int64 many = 2;
  map<string, shapes.Shapes.Colour> named = 3;
  oneof either {
    bytes left = 4;
    shapes.Shapes right = 5;
  }
}
"""
    proto.write_text('syntax = "proto3";\npackage shapes;\n' + body)
    shown = good("describe", "--proto", proto, "shapes.Shapes")
    assert shown == body.replace("message Shapes", "message shapes.Shapes")
    words = ("describe", "--proto", proto, "shapes.Shapes", "--template")
    expected = {"maybe": "", "many": ["0"], "named": {"key": "NONE"}, "left": ""}
    assert json.loads(good(*words)) == expected


def test_call_unary(device):
    reply = call(device, "SayHello", "-d", '{"name": "you"}', "-H", "X-Suffix: , too")
    assert json.loads(reply) == {"text": "Hello, you, too!"}


@pytest.mark.parametrize("path", ["/demo.v1.Demo/SayHello", "demo.v1.Demo.SayHello"])
def test_call_ways_to_name_a_method(device, path):
    assert "Hello, a!" in good("call", *device, path, "-d", '{"name": "a"}')


def test_call_server_stream(device):
    assert call(device, "Count", "-d", '{"to": 2}') == '{}\n{"value": 1}\n{"value": 2}\n'
    shown = call(device, "Count", "-d", '{"to": 0}', "--emit-defaults")
    assert shown == '{"value": 0}\n'


def test_call_client_stream(device):
    lines = '{"value": 1} {"value": 2}\n{\n  "value": "39"\n}\n'
    reply = call(device, "Collect", "-d", "@", data=lines)
    assert json.loads(reply) == {"sum": "42", "count": 3}
    assert json.loads(call(device, "Collect")) == {}


def test_call_bidi_as_it_comes(device):
    """Each request goes out when its line is there, each response is shown when it comes."""
    words = [COMMAND, "call", *device, f"{DEMO}/Chat", "-d", "@"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(words, **pipes, env=environment()) as child:
        watchdog = threading.Timer(60, child.kill)
        watchdog.start()
        for text in ("one", "two"):
            print(json.dumps({"text": text}), file=child.stdin, flush=True)
            assert json.loads(child.stdout.readline()) == {"text": text}
        child.stdin.close()
        assert child.wait(60) == 0
        watchdog.cancel()


def test_call_verbose_tells_and_keeps_secrets(device):
    words = ("-v", "-d", '{"name": "a"}', "-H", "authorization: Bearer abc", "-H", "x-bin: AAE=")
    ended = run("call", *device, f"{DEMO}/SayHello", *words)
    told = ended.stderr
    assert ended.returncode == 0 and json.loads(ended.stdout) == {"text": "Hello, a!"}
    assert f"> /{DEMO}/SayHello (unary)" in told and ">   x-bin: <2 bytes>" in told
    assert "<   x-first: 1" in told and "<   x-last: 2" in told and "< OK, 1 message(s)" in told
    assert "abc" not in told and "very-private" not in told and told.count("***") == 2


def test_call_verbose_shows_details_of_a_status(device):
    ended = run("call", *device, f"{DEMO}/SayHello", "-d", '{"name": "details"}', "-v")
    assert ended.returncode == 64 + 9
    info = '{"@type": "google.rpc.ErrorInfo", "reason": "BROKEN", "metadata": {"password": "***"}}'
    assert f"<   detail: {info}" in ended.stderr
    assert '<   detail: {"@type": "no.Such", "bytes": 3}' in ended.stderr
    assert ended.stderr.splitlines()[-1] == "grpc-mqtt call: FAILED_PRECONDITION: no"


def test_call_with_files_only(broker, demo_code, demo_protoset):
    server = demo_server(broker.url("cli/mute"), demo_code, reflection=False)
    where = ("-L", f"mqtt://127.0.0.1:{broker.port}/cli", "mute", f"{DEMO}/SayHello")
    try:
        assert "--proto or --protoset" in bad(1, "call", *where)
        for files in (("--protoset", demo_protoset), ("--proto", PROTO)):
            assert "Hello, a!" in good("call", *where, "-d", '{"name": "a"}', *files)
    finally:
        server.stop(0).wait()


class Guard(grpc.ServerInterceptor):
    """Lets nobody do anything without metadata."""

    def intercept_service(self, continuation, details):
        if ("x-pass-bin", b"yes") in details.invocation_metadata:
            return continuation(details)
        return grpc.stream_stream_rpc_method_handler(
            lambda _, context: context.abort(grpc.StatusCode.UNAUTHENTICATED, "who are you?")
        )


def test_metadata_goes_with_reflection(broker, demo_code):
    server = demo_server(broker.url("cli/guarded"), demo_code, interceptors=[Guard()])
    where = ("-L", f"mqtt://127.0.0.1:{broker.port}", "cli/guarded")
    let_in = ("-H", "x-pass-bin: eWVz")
    hello = (*where, f"{DEMO}/SayHello", "-d", '{"name": "a"}')
    try:
        assert "who are you?" in bad(80, "call", *hello)
        assert "Hello, a!" in good("call", *hello, *let_in)
        assert DEMO in good("list", *where, *let_in)
        assert "string name" in good("describe", *where, "demo.v1.HelloRequest", *let_in)
        assert "[OK]\t5" in good("bench", *hello, *let_in, "-n", "5")
    finally:
        server.stop(0).wait()


def test_call_address_in_one_word(broker, device):
    url = f"mqtt://127.0.0.1:{broker.port}/cli/device"
    assert "Hello, a!" in good("call", url, f"{DEMO}/SayHello", "-d", '{"name": "a"}')
    env = {"GRPC_MQTT_URL": f"mqtt://127.0.0.1:{broker.port}/"}
    assert DEMO in good("list", "cli/device", **env)


def test_call_failed_status(device, tmp_path):
    assert bad(67, "call", *device, f"{DEMO}/SayHello").endswith(
        "INVALID_ARGUMENT: a name is needed"
    )
    service = tmp_path / "other.proto"
    service.write_text(
        'syntax = "proto3"; package no; message M {} service Such { rpc Method(M) returns (M); }'
    )
    assert "UNIMPLEMENTED" in bad(76, "call", *device, "no.Such/Method", "--proto", service)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ('{"name": "a",}', "line 1, column 14"),
        ('{"name": "a"}\n{"name": }', "line 2, column 10"),
        ("{", "line 2, column 1"),
        ('{"nane": "a"}', "nearest: name"),
        ('{"name": 5}', "line 1, column 1: Failed to parse name"),
        ("[]", "is a JSON object, not an array"),
        ('{"name": "a"} {"name": "b"}', "takes one request"),
        ('{"name": "a", "name": "b"}', "'name' stands twice"),
    ],
)
def test_call_bad_json(device, data, says):
    assert says in bad(1, "call", *device, f"{DEMO}/SayHello", "-d", data)


def test_call_text_is_utf8(device, tmp_path):
    """Whatever the locale; with a mark before it; with what other languages take for a line end."""
    data = json.dumps({"name": "\u00fc\u2028\u0085."}, ensure_ascii=False)
    expected = {"text": "Hello, \u00fc\u2028\u0085.!"}
    file = tmp_path / "request.json"
    file.write_bytes(b"\xef\xbb\xbf" + data.encode())
    words = (*device, f"{DEMO}/SayHello", "-d")

    def piped(file):
        with file.open("rb") as stdin:
            return subprocess.run(
                [COMMAND, "call", *words, "@"],
                stdin=stdin,
                capture_output=True,
                env=environment(LC_ALL="C"),
                check=False,
            )

    assert json.loads(good("call", *words, data)) == expected
    assert json.loads(good("call", *words, f"@{file}")) == expected
    assert json.loads(good("call", *words, "@", data="\ufeff" + data)) == expected
    assert json.loads(piped(file).stdout) == expected
    file.write_bytes(b'{"name": "\xff"}')
    assert f"-d @{file}: it is no UTF-8" in bad(1, "call", *words, f"@{file}")
    ended = piped(file)
    assert ended.returncode == 1 and b"stdin is no UTF-8" in ended.stderr


def test_call_bad_json_in_a_stream_cancels(device):
    """What came before is not taken for all of it."""
    line = bad(1, "call", *device, f"{DEMO}/Collect", "-d", "@", data='{"value": 1}\n{"value" 2}\n')
    assert "stdin is no JSON: line 2, column 10" in line


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((f"{DEMO}/SayHelo",), "nearest: SayHello"),
        (("demo.v1.Dema/SayHello",), "nearest: demo.v1.Demo"),
        (("Demo/SayHello",), "nearest: demo.v1.Demo"),
    ],
)
def test_call_unknown_method(device, words, says):
    assert says in bad(1, "call", *device, *words)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("nothing",), "package.Service/Method is meant"),
        ((f"{DEMO}/SayHello", "-H", "novalue"), "'key: value' is meant"),
        ((f"{DEMO}/SayHello", "-H", "a-bin: ?"), "base64"),
        ((f"{DEMO}/SayHello", "-H", "a: \u00fc"), "-H a: its value is not printable ASCII"),
        ((f"{DEMO}/SayHello", "--connect-timeout", "-1"), "'-1' is no time"),
        ((f"{DEMO}/SayHello", "--max-time", "soon"), "'soon' is no time"),
        ((f"{DEMO}/SayHello", "-o", "nothing=1"), '"nothing"'),
        ((f"{DEMO}/SayHello", "-o", "nothing"), "KEY=VALUE is meant"),
        ((f"{DEMO}/SayHello", "-L", "mqtt://other/"), "leave out -h and -p"),
    ],
)
def test_call_wrong_usage(device, words, says):
    assert says in bad(2, "call", *device, *words)


def test_help_has_examples():
    whole = main.parser()
    commands = next(each for each in whole._actions if each.dest == "command")
    for name, sub in commands.choices.items():
        assert f"examples:\n  grpc-mqtt {name}" in sub.format_help()
    assert "examples:\n  grpc-mqtt call" in good("call", "--help")
    shown = good("--help")
    assert all(f"\n    {name}" in shown for name in commands.choices)
    assert "invalid choice: 'cal'" in bad(2, "cal")
    assert "COMMAND" in bad(2)
