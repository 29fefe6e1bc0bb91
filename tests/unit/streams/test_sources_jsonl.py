"""JSONL of our own fields: every good line is read, every bad one is named."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kith.errors import InputError
from schemas.records import Education, Operation, Position, Profile
from streams.sources.detect import Format, opened_profiles
from streams.sources.items import Parsed, Rejection, Stamps
from streams.sources.jsonl import read_jsonl, write_line

DATA = Path(__file__).parents[2] / "data" / "input"
NOW = 1_800_000_000_000


def read_file(path: Path, stamps: Stamps | None = None, given: Format = Format.AUTO, **options):
    with opened_profiles(path, stamps or Stamps(), given, **options) as records:
        return list(records)


def read(data: bytes, **options):
    return list(read_jsonl(io.BufferedReader(io.BytesIO(data)), Stamps(lambda: NOW), **options))


def read_one(**fields):
    (found,) = read(json.dumps({"profile_id": "p", "name": "N"} | fields).encode())
    return found


def test_a_line_may_say_who_may_find_the_profile():
    assert read_one(visibility="board").change.profile.visibility == "board"
    assert read_one(visibility=None).change.profile.visibility is None
    assert "visibility: a list where text is expected" in read_one(visibility=["board"]).reason
    nested = {"profile_id": "p", "profile": {"name": "N", "visibility": "board"}}
    (found,) = read(json.dumps(nested).encode())
    assert found.change.profile.visibility == "board"


def test_a_broken_line_stops_no_other():
    found = read_file(DATA / "mixed.jsonl", Stamps(lambda: NOW))
    parsed = {x.line: x.change for x in found if isinstance(x, Parsed)}
    refused = {x.line: x.reason for x in found if isinstance(x, Rejection)}
    # Lines 5 and 6 can be read; that their names are unusable is for validation to say.
    assert {line: change.profile_id for line, change in parsed.items()} == {
        1: "p-1", 3: "p-2", 5: "p-3", 6: "p-4", 9: "p-6", 11: "p-8"
    }  # fmt: skip
    assert refused[2].startswith("Not valid JSON at character 31: Unterminated string.")
    assert refused[4] == "profile_id: missing. Every record needs its identity."
    assert refused[8] == "headlin: unknown field. Did you mean headline?"
    assert refused[10] == "A list where an object is expected. Give one object per record."
    assert set(refused) == {2, 4, 8, 10}


def test_every_field_is_read():
    change = read_file(DATA / "mixed.jsonl")[0].change
    assert (change.version, change.occurred_at, change.source) == (7, 1_774_944_900_000, "crm")
    assert change.profile == Profile(
        name="Ana Lima",
        headline="Paediatric nurse",
        summary="Works nights.\n\tLikes it.",
        location="Porto, Portugal",
        country="PT",
        industry="Hospitals",
        seniority="senior",
        skills=["triage", "asthma"],
        languages=["pt", "en"],
        positions=[Position("Nurse", company="Hospital da Foz", start="2019-04")],
        education=[Education("Universidade do Minho", degree="BSc", end="2015")],
    )


def test_the_profile_may_stand_in_an_object_of_its_own():
    (found,) = read(b'{"profile_id": "p", "operation": "UPSERT", "profile": {"name": "N"}}')
    assert found.change.profile == Profile(name="N")


def test_a_deletion_has_no_profile():
    (found,) = read(b'{"profile_id": "p", "operation": "DELETE"}')
    assert (found.change.operation, found.change.profile) == (Operation.DELETE, None)


def test_what_a_line_does_not_say_comes_from_the_clock():
    change = read_one().change
    assert (change.version, change.occurred_at, change.operation) == (NOW, NOW, Operation.UPSERT)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"version": "7"}, "version: text where a whole number is expected."),
        ({"version": 1.5}, "version: a number where a whole number is expected."),
        ({"version": True}, "version: true or false where a whole number is expected."),
        ({"occurred_at": "2026-03-31T08:15:00"}, "occurred_at: neither milliseconds nor a time with its zone."),
        ({"operation": "upsert"}, "operation: neither UPSERT nor DELETE."),
        ({"profile_id": 7}, "profile_id: a number where text is expected."),
        ({"name": None}, "name: missing."),
        ({"skills": "a, b"}, "skills: text where a list is expected."),
        ({"skills": ["a", 1]}, "skills[1]: a number where text is expected."),
        ({"positions": [{"title": "T"}, "x"]}, "positions[1]: text where an object is expected."),
        ({"positions": [{"company": "C"}]}, "positions[0].title: missing."),
        ({"positions": [{"title": "T", "from": "2019"}]}, "positions[0].from: unknown field."),
        ({"profile": {"name": "N"}}, "name: unknown field."),
        ({"\ud800" * 99: 1}, "\\ud800"),
    ],
)
def test_a_wrong_field_is_named(fields, reason):
    found = read_one(**fields)
    assert isinstance(found, Rejection)
    assert found.reason.startswith(reason)
    found.reason.encode()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b'{"profile_id": "p", "name": NaN}', "Not valid JSON: NaN"),
        (b'{"profile_id": "p", "version": ' + b"9" * 5000 + b"}", "Not usable JSON: a number has too many digits."),
        (b'{"profile_id": ' + b"[" * 200_000 + b"}", "Not usable JSON: nested too deeply."),
        (b"null", "Null where an object is expected."),
        (b'{"profile_id": "p"} {"profile_id": "q"}', "Not valid JSON at character 21: Extra data."),
    ],
)
def test_unusable_json_is_a_rejection(data, reason):
    (found,) = read(data)
    assert found.reason.startswith(reason)


def test_a_line_that_is_too_long_is_left_and_the_next_is_read():
    found = read(
        b'{"profile_id": "p", "name": "' + b"x" * 5_000_000 + b'"}\n{"profile_id": "q", "name": "N"}\n',
        max_line_bytes=1000,
    )
    assert found[0].reason.startswith("Longer than 1,000 bytes")
    assert found[0].truncated
    assert len(found[0].original) < 5000
    assert (found[1].line, found[1].change.profile_id) == (2, "q")


def test_a_line_of_exactly_the_limit_is_read():
    line = b'{"profile_id": "p", "name": "N"}'
    assert isinstance(read(line + b"\n", max_line_bytes=len(line))[0], Parsed)
    assert isinstance(read(line, max_line_bytes=len(line))[0], Parsed)


def test_byte_order_mark_and_windows_line_ends_are_fine():
    found = read_file(DATA / "windows.jsonl", Stamps())
    assert [(x.line, x.change.profile.name) for x in found] == [(1, "Zoë"), (3, "Kim")]


def test_a_byte_that_is_not_utf8_rejects_its_line_alone():
    first, second = read_file(DATA / "latin1.jsonl", Stamps(), Format.JSONL)
    assert first.reason == "Not UTF-8: byte 0xeb at byte 34. Save the file as UTF-8."
    assert first.original.endswith(b'Zo\xeb"}')
    assert second.change.profile_id == "l-2"


def test_versions_rise_for_one_profile_and_stay_with_the_clock_for_many():
    stamps = Stamps(lambda: NOW)
    assert [stamps.version(x) for x in ("a", "b", "a", "b", "c", "a")] == [NOW, NOW, NOW + 1, NOW + 1, NOW + 1, NOW + 2]


def test_versions_do_not_fall_when_the_clock_does():
    times = iter([NOW, NOW - 5000])
    stamps = Stamps(lambda: next(times))
    assert [stamps.version("a"), stamps.version("a")] == [NOW, NOW + 1]


_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@given(
    st.builds(
        Profile,
        name=_TEXT.filter(bool),
        headline=st.none() | _TEXT,
        skills=st.lists(_TEXT),
        positions=st.lists(st.builds(Position, title=_TEXT)),
    )
)
def test_what_is_written_is_read_again(profile):
    (found,) = read(write_line("p", profile))
    assert found.change.profile == profile


@given(st.binary(max_size=200))
def test_any_bytes_give_items_or_rejections(data):
    for found in read(data):
        assert isinstance(found, Parsed) or found.reason


def test_the_same_profile_gives_the_same_bytes():
    assert (
        write_line("p", Profile("Zoë", skills=["a"]))
        == '{"profile_id": "p", "name": "Zoë", "skills": ["a"]}\n'.encode()
    )


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("empty.jsonl", "is empty."),
        ("blank.jsonl", "holds nothing but white space."),
        ("compressed.jsonl", "is compressed with gzip. Unpack it first: gunzip FILE."),
        ("utf16.jsonl", "is UTF-16. Save it as UTF-8."),
        ("absent.jsonl", "There is no file"),
        (".", "is a directory."),
    ],
)
def test_an_unusable_file_is_one_clear_message(name, reason):
    with pytest.raises(InputError) as caught:
        read_file(DATA / name, Stamps())
    assert reason in str(caught.value)
    assert caught.value.hint
