"""JSON Resume: one document, an array, or one per line, each mapped to our fields."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.records import Education, Position, Profile
from schemas.validation import validate_change
from streams.sources.detect import Format, opened_profiles
from streams.sources.items import Parsed, Rejection, Stamps
from streams.sources.json_documents import read_documents
from streams.sources.json_resume import read_json_resume
from streams.sources.languages import language_code

DATA = Path(__file__).parents[2] / "data" / "input"
NOW = 1_800_000_000_000


def read_file(path: Path, stamps: Stamps | None = None, given: Format = Format.AUTO, **options):
    with opened_profiles(path, stamps or Stamps(), given, **options) as records:
        return list(records)


def read(text: str, **options):
    return list(read_json_resume(io.BufferedReader(io.BytesIO(text.encode())), Stamps(lambda: NOW), **options))


def test_a_document_is_mapped_in_full():
    (found,) = read_file(DATA / "resume_one.json", Stamps(lambda: NOW))
    validate_change(found.change)
    assert (found.line, found.change.profile_id) == (1, "r-1")
    assert (found.change.version, found.change.occurred_at) == (NOW, 1_774_944_900_000)
    assert found.change.profile == Profile(
        name="Élodie Marchand",
        headline="Infirmière en oncologie",
        summary="Accompagne des patients pendant leur chimiothérapie.\nForme les jeunes soignants.",
        location="Lyon, Auvergne-Rhône-Alpes",
        country="FR",
        skills=["Oncologie", "chimiothérapie", "douleur", "Tutorat"],
        languages=["fr", "en"],
        positions=[
            Position(
                "Infirmière en oncologie",
                company="Hôpital des Tilleuls",
                start="2019-04",
                description="Soins et suivi.\nA réduit l'attente de moitié\nTutorat",
            ),
            Position("Infirmière", company="Clinique du Lac", start="2014", end="2019-03"),
        ],
        education=[
            Education("IFSI de Lyon", degree="Diplôme d'État", field="Soins infirmiers", start="2011-09", end="2014-07")
        ],
    )


def test_the_three_shapes_of_a_file_give_the_same_profiles():
    array = read_file(DATA / "resume_array.json", Stamps(lambda: NOW))
    lines = read_file(DATA / "resume_lines.jsonl", Stamps(lambda: NOW))
    assert [x.change for x in array] == [x.change for x in lines]
    assert [x.change.profile_id for x in array] == ["r-1", "r-2", "3"]
    assert [x.line for x in lines] == [1, 2, 3]
    text = (DATA / "resume_array.json").read_text(encoding="utf-8").splitlines()
    assert all(text[x.line - 1] == "  {" for x in array)
    assert array[-1].read_bytes == (DATA / "resume_array.json").stat().st_size


def test_a_language_without_a_code_is_left_out_and_said():
    second = read_file(DATA / "resume_array.json", Stamps())[1]
    assert second.change.profile.languages == ["ja", "en"]
    assert second.left_out == ("languages[2].language",)


def test_a_broken_element_of_an_array_costs_itself_alone():
    found = read_file(DATA / "resume_array_broken.json", Stamps())
    assert [(x.line, x.change.profile.name) for x in found if isinstance(x, Parsed)] == [
        (2, "Ana [Lima]"),
        (6, 'Eva "}, {" Horn'),
    ]
    refused = {x.line: x.reason for x in found if isinstance(x, Rejection)}
    assert refused[3].startswith("Not valid JSON at character 23")
    assert refused[4].startswith("A number where an object is expected.")
    assert refused[5].startswith("No identity in basics.id or meta.id or id.")


def test_a_cut_array_keeps_what_is_whole_and_says_so():
    first, second = read_file(DATA / "resume_array_cut.json", Stamps())
    assert first.change.profile_id == "a"
    assert (second.line, second.reason.split(".")[0]) == (2, "The array that starts the file is not closed")


def test_text_after_the_array_is_a_rejection():
    first, second = read('[{"id": "a", "basics": {"name": "A"}}]\n{"id": "b"}')
    assert isinstance(first, Parsed)
    assert (second.line, second.reason.split(".")[0]) == (2, "Text after the end of the array")


def test_a_broken_first_line_does_not_make_the_file_one_document():
    found = read('{"basics": {"name": "A"\n{"id": "b", "basics": {"name": "B"}}\n')
    assert [type(x) for x in found] == [Rejection, Parsed]


def test_a_broken_document_is_named_by_its_own_line():
    (found,) = read('{\n  "id": "a",\n  "basics" {"name": "A"}\n}')
    assert found.reason.startswith("Not valid JSON at line 3, character 12")


def test_an_element_that_is_too_long_is_left_and_the_next_is_read():
    long = json.dumps({"id": "a", "basics": {"name": "x" * 200_000}})
    first, second = read(f'[{long},\n{{"id": "b", "basics": {{"name": "B"}}}}]', max_bytes=1000)
    assert first.truncated
    assert (second.line, second.change.profile_id) == (2, "b")


def test_the_identity_may_stand_elsewhere():
    (found,) = read('{"hr": {"no": 12}, "id": "x", "basics": {"name": "A"}}', id_field="hr.no")
    assert found.change.profile_id == "12"
    (found,) = read('{"id": "x", "basics": {"name": "A"}}', id_field="hr.no")
    assert found.reason.startswith("No identity in hr.no.")


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ({"id": "a"}, "basics.name: missing."),
        ({"id": "a", "basics": []}, "basics: a list where an object is expected."),
        ({"id": "a", "basics": {"name": 1}}, "basics.name: a number where text is expected."),
        ({"id": "a", "basics": {"name": "A"}, "work": [{"highlights": [1]}]}, "work[0].highlights[0]: a number"),
        ({"id": "a", "basics": {"name": "A"}, "work": ["x"]}, "work[0]: text where an object is expected."),
        ({"id": "a", "basics": {"name": "A"}, "meta": {"lastModified": "now"}}, "meta.lastModified: not a time."),
        ({"id": True, "basics": {"name": "A"}}, "No identity in"),
    ],
)
def test_a_wrong_document_is_named(document, reason):
    (found,) = read(json.dumps(document))
    assert isinstance(found, Rejection)
    assert found.reason.startswith(reason)


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("English", "en"),
        ("français", "fr"),
        ("DE", "de"),
        ("pt-BR", "pt"),
        ("日本語", "ja"),
        (" Polski ", "pl"),
        ("Quenya", None),
    ],
)
def test_language_names(name, code):
    assert language_code(name) == code


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


@given(st.lists(_JSON, max_size=5), st.sampled_from([None, 2]), st.booleans())
def test_an_array_is_cut_into_exactly_its_elements(elements, indent, ascii_only):
    text = json.dumps(elements, indent=indent, ensure_ascii=ascii_only)
    found = list(read_documents(io.BufferedReader(io.BytesIO(text.encode()), 16)))
    assert [json.loads(x.data) for x in found] == elements


@given(st.binary(max_size=100).map(lambda data: b"[" + data))
def test_any_bytes_after_a_bracket_give_items_or_rejections(data):
    for found in read_json_resume(io.BufferedReader(io.BytesIO(data)), Stamps()):
        assert isinstance(found, Parsed) or found.reason
