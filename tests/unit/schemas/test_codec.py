import io
import json
import struct
from contextlib import suppress

import avro.io
import avro.schema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.codec import Codec, DecodeError
from schemas.contracts import FILES, incompatibilities, schema_text
from schemas.records import Education, Operation, Outcome, Position, Profile, ProfileChange, Receipt, to_avro
from schemas.registry import UnknownSchema
from tests.fakes_bus import MemoryRegistry

text = st.text(st.characters(codec="utf-8"), max_size=30)
maybe = st.none() | text
profiles = st.builds(
    Profile,
    name=text,
    headline=maybe,
    summary=maybe,
    location=maybe,
    country=maybe,
    industry=maybe,
    seniority=maybe,
    skills=st.lists(text, max_size=3),
    languages=st.lists(text, max_size=3),
    positions=st.lists(st.builds(Position, text, maybe, maybe, maybe, maybe, maybe, maybe), max_size=3),
    education=st.lists(st.builds(Education, text, maybe, maybe, maybe, maybe), max_size=2),
)
changes = st.builds(
    ProfileChange,
    profile_id=text,
    version=st.integers(0, 2**63 - 1),
    occurred_at=st.integers(0, 2**50),
    operation=st.sampled_from(Operation),
    source=maybe,
    profile=st.none() | profiles,
)


def codec() -> Codec:
    return Codec(MemoryRegistry())


@given(changes)
def test_a_change_comes_back_as_it_was(change):
    ours = codec()
    assert ours.decode(ours.encode("s", change), ProfileChange) == change


@given(changes)
def test_the_bytes_are_those_that_the_apache_library_writes(change):
    data = codec().encode("s", change)
    out = io.BytesIO()
    plain = json.dumps(_plain(json.loads(schema_text(ProfileChange))))
    avro.io.DatumWriter(avro.schema.parse(plain)).write(to_avro(change), avro.io.BinaryEncoder(out))
    assert data[5:] == out.getvalue()


@given(st.binary(max_size=200))
def test_garbage_is_a_decode_error_and_nothing_else(garbage):
    ours = codec()
    ours.encode("s", ProfileChange("p", 1, 1, Operation.DELETE))
    for data in (garbage, struct.pack(">bI", 0, 1) + garbage):
        with suppress(DecodeError, UnknownSchema):
            ours.decode(data, ProfileChange)


def test_bytes_left_over_are_an_error():
    ours = codec()
    data = ours.encode("s", ProfileChange("p", 1, 1, Operation.DELETE))
    with pytest.raises(DecodeError, match="3 bytes are left over"):
        ours.decode(data + b"abc", ProfileChange)


def test_a_record_of_another_kind_is_named():
    ours = codec()
    receipt = Receipt("t", 0, 0, None, None, Outcome.STALE, "m", None, 1)
    with pytest.raises(DecodeError, match=r"io\.kith\.Receipt, not io\.kith\.ProfileChange"):
        ours.decode(ours.encode("s", receipt), ProfileChange)


def test_a_lone_surrogate_on_the_wire_is_an_error():
    ours = codec()
    data = ours.encode("s", ProfileChange("abc", 1, 1, Operation.DELETE))
    broken = data.replace(b"\x06abc", b"\x06\xed\xa0\x80")
    with pytest.raises(DecodeError):
        ours.decode(broken, ProfileChange)


def test_a_newer_writer_with_a_field_more_is_read():
    registry = MemoryRegistry()
    newer = json.loads(schema_text(ProfileChange))
    newer["fields"].append({"name": "pronouns", "type": ["null", "string"], "default": None})
    schema_id = registry.store(json.dumps(newer))
    out = io.BytesIO()
    record = to_avro(ProfileChange("p", 1, 1, Operation.DELETE)) | {"pronouns": "she"}
    avro.io.DatumWriter(avro.schema.parse(json.dumps(_plain(newer)))).write(record, avro.io.BinaryEncoder(out))
    data = struct.pack(">bI", 0, schema_id) + out.getvalue()
    assert Codec(registry).decode(data, ProfileChange).profile_id == "p"


@pytest.mark.parametrize("text", ['{"type": "object", "properties": {}}', "not json", '{"type": "record"}'])
def test_a_registered_schema_that_is_not_avro_is_a_decode_error(text):
    registry = MemoryRegistry()
    data = struct.pack(">bI", 0, registry.store(text)) + b"\x00"
    with pytest.raises(DecodeError, match="not an Avro schema"):
        Codec(registry).decode(data, ProfileChange)


@pytest.mark.parametrize("kind", FILES, ids=lambda kind: kind.__name__)
def test_a_contract_reads_itself_and_an_added_field_without_default_is_named(kind):
    text = schema_text(kind)
    assert incompatibilities(text, text) == []
    broken = json.loads(text)
    broken["fields"].append({"name": "must_have", "type": "string"})
    assert any("must_have" in reason for reason in incompatibilities(json.dumps(broken), text))


def _plain(node):
    """Without logical types: the Apache library asks for datetimes where they stand."""
    if isinstance(node, dict):
        return {k: _plain(v) for k, v in node.items() if k != "logicalType"}
    return [_plain(item) for item in node] if isinstance(node, list) else node
