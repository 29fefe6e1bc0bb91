"""CSV with a header map."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kith.errors import InputError
from schemas.records import Operation, Profile
from streams.sources.csv_table import parse_map, read_csv
from streams.sources.detect import Format, opened_profiles
from streams.sources.items import Parsed, Rejection, Stamps

DATA = Path(__file__).parents[2] / "data" / "input"
MAP = "profile_id=id,name=full_name,headline=title,summary=about,skills=tags,languages=speaks,country=land"


def read_file(path: Path, stamps: Stamps | None = None, given: Format = Format.AUTO, **options):
    with opened_profiles(path, stamps or Stamps(), given, **options) as records:
        return list(records)


def read(text: str | bytes, header_map: str = "", **options):
    data = text.encode() if isinstance(text, str) else text
    return list(read_csv(io.BufferedReader(io.BytesIO(data)), Stamps(), parse_map(header_map), **options))


def test_a_table_is_read_through_its_header_map():
    found = read_file(DATA / "people.csv", Stamps(), column_map=parse_map(MAP))
    parsed = {x.line: x.change for x in found if isinstance(x, Parsed)}
    assert parsed[2].profile_id == "c-1"
    assert parsed[2].profile == Profile(
        name="Ana Lima",
        headline="Paediatric nurse",
        summary='Works nights,\nand "likes" it.\n\nReally.',
        skills=["triage", "asthma"],
        languages=["pt", "en"],
        country="PT",
    )
    assert {line: change.profile_id for line, change in parsed.items()} == {2: "c-1", 8: "c-4", 10: "c-6"}
    refused = {x.line: x.reason for x in found if isinstance(x, Rejection)}
    assert refused == {
        6: "3 cells, and the header has 8.",
        7: "Not readable as CSV: ',' expected after '\"'.",
        9: "Not readable as CSV: unexpected end of data. Check its quotation marks.",
    }


def test_a_column_may_say_who_may_find_the_profile():
    found = read("profile_id,name,visibility\na,Ada,board\nb,Bo,\n")
    assert [one.change.profile.visibility for one in found] == ["board", None]


def test_semicolons_byte_order_mark_windows_line_ends_and_a_wrong_byte():
    found = read_file(DATA / "windows.csv", Stamps())
    assert (found[0].change.profile.name, found[0].change.version) == ("Zoë", 4)
    assert (found[1].change.operation, found[1].change.occurred_at) == (Operation.DELETE, 1_774_944_900_000)
    assert (found[2].line, found[2].reason) == (4, "Not UTF-8: byte 0xff at byte 9. Save the file as UTF-8.")
    assert found[3].change.profile_id == "w-4"


def test_a_cell_may_hold_a_megabyte():
    (found,) = read("profile_id,name,summary\nc,N," + "x" * 2**20 + "\n")
    assert len(found.change.profile.summary) == 2**20


def test_a_quotation_mark_that_is_never_closed_costs_one_row_of_many():
    rows = [f"c-{i},N,ok" for i in range(5000)]
    rows[10] = 'c-10,N,"open'
    found = read("profile_id,name,headline\n" + "\n".join(rows))
    assert sum(isinstance(x, Parsed) for x in found) == 4999
    assert [x.line for x in found if isinstance(x, Rejection)] == [12]


def test_a_row_that_is_too_long_is_left_and_the_next_is_read():
    first, second = read("profile_id,name\nc,N" + "x" * 5000 + "\nd,N\n", max_row_bytes=1000)
    assert first.truncated
    assert second.change.profile_id == "d"


@pytest.mark.parametrize(
    ("text", "header_map", "message"),
    [
        ("id,name\n", "", "No column gives profile_id; the header has id, name. Name the column that does: --map"),
        ("id,name\n", "profile_id=idd", "The header map names the column 'idd', which is not there. Did you mean id?"),
        ("id,name,id\n", "", "The header line has the column 'id' twice."),
        ("\n\n", "", "The table has no header line."),
        ('"id,name\n', "", "The header line cannot be read: unexpected end of data."),
        (b"profile_id,n\xff\n", "", "Not UTF-8: byte 0xff at byte 13."),
    ],
)
def test_an_unusable_header_stops_with_its_reason(text, header_map, message):
    with pytest.raises(InputError) as caught:
        read(text, header_map)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name", "The header map has 'name'."),
        ("nam=full_name", "The header map names the unknown field 'nam'. Did you mean name?"),
        ("positions=jobs", "The header map names the unknown field 'positions'."),
    ],
)
def test_an_unusable_map_is_named(text, message):
    with pytest.raises(InputError) as caught:
        parse_map(text)
    assert str(caught.value).startswith(message)


def test_a_map_may_have_spaces():
    assert parse_map(" name = full name , headline=title,") == {"name": "full name", "headline": "title"}


@pytest.mark.parametrize(
    ("name", "data", "expected"),
    [
        ("a.csv", b"profile_id,name\n", Format.CSV),
        ("a.txt", b"profile_id\tname\n", Format.CSV),
        ("a.json", b'{"profile_id": "p"}', Format.JSONL),
        ("a.json", b'[{"x": 1, "basics" : {}}]', Format.JSON_RESUME),
        ("a.jsonl", b"garbage\n", Format.JSONL),
        ("a.jsonl", b'{"basics": {}}', Format.JSON_RESUME),
    ],
)
def test_the_format_is_told_by_what_the_file_holds(tmp_path, name, data, expected):
    from streams.sources.detect import detect
    from streams.sources.raw_lines import open_input

    path = tmp_path / name
    path.write_bytes(data)
    with open_input(path) as stream:
        assert detect(stream, path) is expected
        assert stream.read() == data


def test_a_format_that_cannot_be_told_is_asked_for(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("just words\n")
    with pytest.raises(InputError, match="Give --format"):
        read_file(path, Stamps())


def test_options_of_another_format_are_refused():
    with pytest.raises(InputError, match="--map goes with CSV"):
        read_file(DATA / "mixed.jsonl", Stamps(), column_map={"name": "n"})
    with pytest.raises(InputError, match="--id-field goes with JSON Resume"):
        read_file(DATA / "mixed.jsonl", Stamps(), id_field="n")


@given(st.binary(max_size=200))
def test_any_bytes_below_a_header_give_items_or_rejections(data):
    for found in read(b"profile_id,name\n" + data):
        assert isinstance(found, Parsed) or found.reason
