"""The rules of a valid change, and that whatever passes them survives the wire."""

from __future__ import annotations

import io
import re
from dataclasses import replace

import fastavro
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kith.errors import InputError
from schemas.contracts import parsed, schema_text
from schemas.records import Education, Operation, Position, Profile, ProfileChange, from_avro, to_avro
from schemas.validation import (
    MAX_LANGUAGES,
    MAX_LINE_CHARS,
    MAX_OCCURRED_AT,
    MAX_SKILLS,
    MAX_VERSION,
    SENIORITIES,
    longest_text,
    validate_change,
    validate_profile_id,
    validate_size,
)

PROFILE = Profile(name="Ana Lima")
CHANGE = ProfileChange("p-1", 1, 1_774_944_900_000, Operation.UPSERT, profile=PROFILE)


def with_profile(**fields):
    return replace(CHANGE, profile=replace(PROFILE, **fields))


def refused(change) -> InputError | None:
    try:
        validate_change(change)
    except InputError as refusal:
        return refusal
    return None


GOOD = [
    CHANGE,
    replace(CHANGE, version=0),
    replace(CHANGE, version=MAX_VERSION, occurred_at=MAX_OCCURRED_AT, source="crm"),
    replace(CHANGE, operation=Operation.DELETE, profile=None),
    with_profile(summary="word " * 2000),
    with_profile(summary="One.\r\n\n\tTwo."),
    with_profile(country="PT", languages=["pt", "en"], skills=["triage"]),
    with_profile(name="山田 花子", headline="Tête-à-tête 👩‍⚕️ 100 %"),
    with_profile(positions=[Position("Nurse", start="2019-04"), Position("", start="2014", end="2019-12")]),
    with_profile(education=[Education("Universidade do Minho", end="2015")]),
    *[with_profile(seniority=level) for level in SENIORITIES],
    *[with_profile(visibility=label) for label in ("public", "board-only", "a_1", "x" * 32)],
]


@pytest.mark.parametrize("change", GOOD)
def test_a_good_change_passes(change):
    validate_change(change)


BAD = [
    (replace(CHANGE, profile_id=""), "profile_id: empty."),
    (replace(CHANGE, profile_id="a b"), "profile_id: not allowed here: U+0020 at character 2."),
    (replace(CHANGE, profile_id="ana@example.org"), "profile_id: not allowed here: U+0040 at character 4."),
    (replace(CHANGE, profile_id="p\n"), "profile_id: control character U+000A at character 2."),
    (replace(CHANGE, profile_id="x" * 129), "profile_id: 129 characters."),
    (replace(CHANGE, version=-1), f"version: -1 is not between 0 and {MAX_VERSION}."),
    (replace(CHANGE, version=2**63), f"version: {2**63} is not between 0 and {MAX_VERSION}."),
    (replace(CHANGE, occurred_at=0), f"occurred_at: 0 is not between 1 and {MAX_OCCURRED_AT}."),
    (replace(CHANGE, occurred_at=1_774_944_900_000_000), "occurred_at: 1774944900000000 is not between"),
    (replace(CHANGE, source="c\x00rm"), "source: control character U+0000 at character 2."),
    (replace(CHANGE, profile=None), "profile: missing"),
    (replace(CHANGE, operation=Operation.DELETE), "profile: a DELETE carries none."),
    (with_profile(name=""), "name: blank."),
    (with_profile(name=" \u200b\u00a0"), "name: blank."),
    (with_profile(name="Nul\x00"), "name: control character U+0000 at character 4."),
    (with_profile(name="Sur\ud800rogate"), "name: lone surrogate U+D800 at character 4."),
    (with_profile(headline="two\nlines"), "headline: control character U+000A at character 4."),
    (with_profile(headline="x" * (MAX_LINE_CHARS + 1)), "headline: 501 characters, and at most 500 are allowed."),
    (with_profile(summary="a\x1bb"), "summary: control character U+001B at character 2."),
    (with_profile(country="pt"), "country: not in the form that is asked for."),
    (with_profile(country="PT\n"), "country: not in the form that is asked for."),
    (with_profile(seniority="Senior"), "seniority: not one of the seven levels."),
    *[
        (with_profile(visibility=label), "visibility: not in the form that is asked for.")
        for label in ("", "Public", "x" * 33, "board only", "b\u00f6ard", "public\n", 'a"')
    ],
    (with_profile(skills=["ok", "\udfff"]), "skills[1]: lone surrogate U+DFFF at character 1."),
    (with_profile(skills=["x"] * (MAX_SKILLS + 1)), "skills: 501 items, and at most 500 are allowed."),
    (with_profile(languages=["pt", "English"]), "languages[1]: not in the form that is asked for."),
    (with_profile(languages=["pt"] * (MAX_LANGUAGES + 1)), "languages: 51 items, and at most 50 are allowed."),
    (with_profile(positions=[Position("a"), Position("b"), Position("\ud800")]), "positions[2].title: lone surrogate"),
    (with_profile(positions=[Position("a", description="\x07")]), "positions[0].description: control character U+0007"),
    (with_profile(positions=[Position("a", start="2019-13")]), "positions[0].start: not in the form"),
    (with_profile(education=[Education("a", field="\x0b")]), "education[0].field: control character U+000B"),
    (with_profile(education=[Education("a", end="spring")]), "education[0].end: not in the form"),
]


@pytest.mark.parametrize(("change", "message"), BAD, ids=[message[:40] for _, message in BAD])
def test_a_bad_change_is_refused_with_its_field(change, message):
    with pytest.raises(InputError) as caught:
        validate_change(change)
    assert caught.value.message.startswith(message)
    assert caught.value.hint


def test_an_id_may_have_128_characters():
    validate_profile_id("a:b.c_d-E9" + "x" * 118)


def test_a_biography_of_one_megabyte_is_refused_by_its_encoded_size():
    change = with_profile(summary="x" * 2**20)
    validate_change(change)
    with pytest.raises(InputError) as caught:
        validate_size(change, len(_encoded(change)), 262_144)
    assert "more than the 262,144 of max_record_bytes" in str(caught.value)
    assert "the longest field is summary (1,048,576 characters)" in str(caught.value)
    assert "KITH_MAX_RECORD_BYTES" in caught.value.hint


def test_a_record_at_the_size_limit_passes():
    validate_size(CHANGE, 1024, 1024)


def test_the_longest_text_is_found_at_any_depth():
    change = with_profile(positions=[Position("a"), Position("b", description="long enough")])
    assert longest_text(change) == ("positions[1].description", 11)
    assert longest_text(replace(CHANGE, operation=Operation.DELETE, profile=None)) == ("profile_id", 3)


@given(st.text(st.characters(codec=None), max_size=40))
@example("\x00")
@example("\ud800")
@example("é\u0301👩‍⚕️")
def test_any_text_is_refused_or_survives_the_wire(text):
    change = with_profile(
        name=f"n{text}",
        headline=text,
        summary=text,
        skills=[text],
        positions=[Position(text, description=text)],
        education=[Education(text)],
    )
    if (refusal := refused(change)) is None:
        assert from_avro(_decoded(_encoded(change)), ProfileChange) == change
    else:
        refusal.message.encode()
        assert refusal.hint


LINES = {
    "name": lambda text: with_profile(name=text),
    "headline": lambda text: with_profile(headline=text),
    "location": lambda text: with_profile(location=text),
    "industry": lambda text: with_profile(industry=text),
    "skills[1]": lambda text: with_profile(skills=["ok", text]),
    **{
        f"positions[1].{name}": lambda text, name=name: with_profile(
            positions=[Position("ok"), replace(Position("ok"), **{name: text})]
        )
        for name in ("title", "company", "industry", "location")
    },
    **{
        f"education[0].{name}": lambda text, name=name: with_profile(
            education=[replace(Education("ok"), **{name: text})]
        )
        for name in ("school", "degree", "field")
    },
}
LONG_TEXTS = {
    "summary": lambda text: with_profile(summary=text),
    "positions[1].description": lambda text: with_profile(positions=[Position("ok"), Position("ok", description=text)]),
}


@pytest.mark.parametrize("path", [*LINES, *LONG_TEXTS])
@given(
    text=st.text(st.characters(codec=None) | st.sampled_from("\t\n\r\x0b\x7f\x85\xa0\u200b\u2028"), max_size=6),
    repeated=st.sampled_from([1, 1, MAX_LINE_CHARS]),
)
def test_a_text_is_refused_for_its_characters_and_its_length_wherever_it_stands(path, text, repeated):
    given_text = f"A{text * repeated}"
    line_ends = "" if path in LINES else "\t\n\r"
    refused_characters = [one for one in given_text if re.match(r"[\x00-\x1f\x7f\ud800-\udfff]", one)]
    wrong = set(refused_characters) - set(line_ends) or (path in LINES and len(given_text) > MAX_LINE_CHARS)

    refusal = refused({**LINES, **LONG_TEXTS}[path](given_text))

    assert (refusal is not None) == bool(wrong)
    assert refusal is None or refusal.message.startswith(f"{path}: ")


@given(st.text(st.characters(codec=None), max_size=20))
def test_a_refusal_never_repeats_the_text(text):
    secret = f"Zq{text}Zq"
    with pytest.raises(InputError) as caught:
        validate_change(with_profile(country=secret, headline=secret, seniority=secret, languages=[secret]))
    assert "Zq" not in str(caught.value)


def _encoded(change):
    out = io.BytesIO()
    fastavro.schemaless_writer(out, parsed(schema_text(ProfileChange)), to_avro(change))
    return out.getvalue()


def _decoded(data):
    schema = parsed(schema_text(ProfileChange))
    return fastavro.schemaless_reader(io.BytesIO(data), schema, schema)
