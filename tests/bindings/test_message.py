"""Schemas and dynamic messages in the Python module; see test_message_random.py for how they agree
with Python's protobuf.
"""

from __future__ import annotations

import gc
import sys
from pathlib import Path

import pytest
from google.protobuf import descriptor_pb2, text_format
from message_tools import Schema, canonical, fill, same

import grpc_mqtt
from grpc_mqtt import gmq

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures"
GOLDEN = (FIXTURES / "messages" / "golden.txt").read_text().splitlines()


@pytest.fixture(scope="module")
def protoset(tmp_path_factory):
    from grpc_tools import protoc

    out = tmp_path_factory.mktemp("messages") / "messages.protoset"
    arguments = ["protoc", f"-I{FIXTURES / 'protos'}", f"--descriptor_set_out={out}"]
    assert protoc.main([*arguments, "message2.proto", "message3.proto"]) == 0
    return out


@pytest.fixture(scope="module")
def schema(protoset):
    return Schema(*descriptor_pb2.FileDescriptorSet.FromString(protoset.read_bytes()).file)


@pytest.mark.parametrize("line", GOLDEN)
def test_golden(schema, line):
    name, data, *text = line.split(" ", 2)
    python = schema.python(name)()
    text_format.Parse(text[0] if text else "", python)
    data = bytes.fromhex(data.replace("-", ""))
    ours = gmq.decode_message(schema.type(name), data, 0)
    same(ours, python)
    assert ours.encode() == data
    made = gmq.Message(schema.type(name))
    fill(made, python)
    same(made, python)
    assert schema.python(name).FromString(made.encode()).SerializeToString() == canonical(python)


def test_a_file(protoset, tmp_path):
    schema = gmq.open_schema(str(protoset))
    assert schema.service_count() == 1
    method = schema.find_method("/message3.Greeter/Upload")
    assert (method.name(), method.kind()) == ("Upload", gmq.RPC_CLIENT_STREAMING)
    assert method.input().name() == "message3.Tree"
    assert schema.find_type("message3.Missing") is None
    with pytest.raises(grpc_mqtt.Error, match="cannot open"):
        gmq.open_schema(str(tmp_path / "none"))
    (tmp_path / "bad").write_bytes(b"\xff")
    with pytest.raises(grpc_mqtt.Error, match=r"bad\": not a serialized FileDescriptorSet"):
        gmq.open_schema(str(tmp_path / "bad"))


def test_the_schema_of_schemas():
    """descriptor.proto describes itself."""
    own = descriptor_pb2.FileDescriptorProto()
    descriptor_pb2.DESCRIPTOR.CopyToProto(own)
    data = descriptor_pb2.FileDescriptorSet(file=[own]).SerializeToString()
    schema = gmq.Schema(data)
    message = gmq.decode_message(schema.find_type("google.protobuf.FileDescriptorSet"), data, 0)
    assert message.encode() == data


def test_errors(schema):
    type_ = schema.type("message3.Scalars")
    message = gmq.Message(type_)
    with pytest.raises(grpc_mqtt.Error, match="out of its range") as caught:
        message.set_int64(type_.find_field("f_int32"), 0, 1 << 40)
    assert caught.value.code == gmq.E_INVALID
    with pytest.raises(grpc_mqtt.Error, match="holds no bool"):
        message.get_bool(type_.find_field("f_int32"), 0)
    with pytest.raises(grpc_mqtt.Error, match="no UTF-8"):
        message.set_bytes(type_.find_field("f_string"), 0, b"\xff")
    with pytest.raises(OverflowError):
        message.set_int64(type_.find_field("f_int64"), 0, 1 << 63)
    with pytest.raises(TypeError):
        message.set_int64(None, 0, 1)
    with pytest.raises(TypeError):
        message.set_double(type_.find_field("f_double"), 0, "1")
    with pytest.raises(grpc_mqtt.Error, match="malformed at byte 0") as caught:
        gmq.decode_message(type_, b"\xff", 0)
    assert caught.value.code == gmq.E_PARSE
    with pytest.raises(grpc_mqtt.Error, match="id is required and missing"):
        gmq.Message(schema.type("message2.Outer")).encode()


def test_parts_outlive_the_whole(protoset):
    schema = gmq.Schema(protoset.read_bytes())
    tree = schema.find_type("message3.Tree")
    left, name = tree.find_field("left"), tree.find_field("name")
    color, service = schema.find_enum("message3.Color"), schema.find_service("message3.Greeter")
    method = service.method_at(0)
    message = gmq.Message(tree)
    child = message.make_message(left, 0)
    grandchild = child.make_message(left, 0)
    del schema, tree, message, child, service
    gc.collect()
    grandchild.set_bytes(name, 0, b"x")
    assert grandchild.encode() == b"\x0a\x01x"
    assert grandchild.type().name() == "message3.Tree"
    assert left.message_type().find_number(1).name() == "name"
    assert color.value_name(color.find("BLUE")) == "BLUE"
    assert method.output().name() == "message3.Lists"


def test_nothing_is_leaked(schema):
    """The same handle comes again and again; what it refers to goes with it."""
    tree = schema.type("message3.Tree")
    children, left = tree.find_field("children"), tree.find_field("left")
    before = sys.getallocatedblocks()
    for _ in range(200):
        message = gmq.Message(tree)
        for i in range(10):
            message.make_message(children, i).make_message(left, 0)
        kept = message.get_message(children, 5)
        message.clear(children)
        assert kept.has(left)
    del message, kept
    gc.collect()
    assert sys.getallocatedblocks() - before < 200
