"""Native form, values, BuildKit's form: what goes around comes back."""

from __future__ import annotations

from hypothesis import given, settings
from llbuild.digest import sha256_digest
from llbuild.llb import Definition, decode_definition, encode_definition
from llbuild.proto import decode_buildkit, encode_buildkit, op_digests
from llbuild.proto.ops_pb2 import Definition as PbDefinition
from llbuild.tests.llb.strategies import definitions
from llbuild.tests.proto import messages


@settings(max_examples=60, deadline=None)
@given(definitions())
def test_a_definition_survives_the_way_through_both_forms(definition: Definition) -> None:
    native = decode_definition(encode_definition(definition))
    assert native == definition
    again = decode_buildkit(encode_buildkit(native))
    assert again == definition
    assert encode_definition(again) == encode_definition(definition)


@settings(max_examples=50, deadline=None)
@given(definitions())
def test_protobuf_itself_reads_our_bytes_and_go_would_write_the_same(definition: Definition) -> None:
    data = encode_buildkit(definition)
    parsed = PbDefinition.FromString(data)
    assert messages.go_bytes(parsed) == data
    ops = messages.serialized_ops(parsed)
    assert [messages.go_bytes(messages.parse_op(op)) for op in ops] == ops
    assert list(op_digests(definition).values()) == [sha256_digest(op) for op in ops[: len(definition.vertices)]]


@settings(max_examples=50, deadline=None)
@given(messages.definitions())
def test_any_ops_that_go_could_have_written_come_back_byte_for_byte(message: PbDefinition) -> None:
    again = PbDefinition.FromString(encode_buildkit(decode_buildkit(messages.go_bytes(message))))
    assert messages.serialized_ops(again) == messages.serialized_ops(message)


@settings(max_examples=50, deadline=None)
@given(messages.definitions())
def test_every_field_order_is_read(message: PbDefinition) -> None:
    """Other writers put oneofs among the other fields; what is written again is Go's order, and so has Go's names."""
    ops = [messages.parse_op(op) for op in messages.serialized_ops(message)]
    renamed: dict[str, str] = {}
    foreign = []
    for op in ops:
        name = sha256_digest(messages.go_bytes(op))
        for item in op.inputs:
            item.digest = renamed[item.digest]
        foreign.append(op.SerializeToString())
        renamed[name] = sha256_digest(foreign[-1])
    decoded = decode_buildkit(messages.definition(*foreign).SerializeToString())
    assert decoded == decode_buildkit(message.SerializeToString())
