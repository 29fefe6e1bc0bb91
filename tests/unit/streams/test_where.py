import pytest
from hypothesis import given
from hypothesis import strategies as st

from kith.errors import InputError
from schemas.codec import Codec
from schemas.records import KnownProfile, Operation, Profile, ProfileChange, ProfileState
from streams.backfill_sources import Replayed
from streams.backfill_where import WhereFilter
from streams.topic_reader import Stored
from streams.where import FIELDS, parse_where
from tests.fakes_bus import MemoryRegistry

ADA = Profile("Ada", country="DE", location="Berlin, Germany", industry="Health", skills=["echo", "Stents "])


@pytest.mark.parametrize(
    ("given_", "holds"),
    [
        ([], True),
        (["country=DE"], True),
        (["country = de , at"], True),
        (["country=FR"], False),
        (["country!=FR,AT"], True),
        (["country!=FR,DE"], False),
        (["skills=stents,baking"], True),
        (["skills!=stents"], False),
        (["languages=de"], False),
        (["languages!=de"], True),
        (["seniority!=lead"], True),
        (["seniority=lead"], False),
        (['location="berlin, germany",Ulm'], True),
        (["location=Berlin, Germany"], False),
        (["country=DE", "skills=Echo"], True),
        (["country=DE", "skills=baking"], False),
        (["country=DE", "country!=DE"], False),
        (["visibility=public"], True),
        (["visibility!=public"], False),
        (["visibility=board"], False),
    ],
)
def test_conditions_hold_or_not(given_, holds):
    assert parse_where(given_).holds(ADA) is holds


@pytest.mark.parametrize(
    "text", ["", "country", "country=", "country=DE,", "country==DE", "=DE", 'country="DE', "!=DE"]
)
def test_another_form_is_refused_and_the_fields_are_named(text):
    with pytest.raises(InputError, match=r"country, industry, seniority, visibility, skills, languages"):
        parse_where(["skills=x", text])


def test_a_visibility_is_compared_as_the_profile_has_it():
    hidden = Profile("Bo", visibility="board")
    assert parse_where(["visibility=board"]).holds(hidden)
    assert not parse_where(["visibility=public"]).holds(hidden)


@pytest.mark.parametrize("name", ["name", "profile_id", "Country", "vector", "years"])
def test_an_unknown_field_is_named_beside_those_that_there_are(name):
    with pytest.raises(InputError, match=rf"no field '{name}'.*location, country, industry"):
        parse_where([f"{name}=x"])


conditions = st.builds(
    lambda name, operator, values: f"{name}{operator}" + ",".join(f'"{value}"' for value in values),
    st.sampled_from(FIELDS),
    st.sampled_from(["=", "!="]),
    st.lists(st.text("aB,é ß=!", min_size=1, max_size=4).filter(str.strip), min_size=1, max_size=3),
)


@given(st.lists(conditions, max_size=3))
def test_conditions_are_the_same_after_they_were_written_down(drawn):
    where = parse_where(drawn)
    assert parse_where(where.texts()) == where
    assert parse_where([*reversed(drawn)]).texts() == where.texts()


@pytest.fixture
def codec():
    return Codec(MemoryRegistry())


def entry(codec, profile_id, profile):
    state = ProfileState(known=KnownProfile(1, 1, profile, None))
    return Stored(0, 0, profile_id.encode(), codec.encode("state-value", state))


def change(profile_id, operation, profile=None, changed=None):
    return ProfileChange(profile_id, 2, 1, operation, None, profile, changed)


def test_a_whole_profile_decides_for_itself_and_the_rest_by_what_the_table_knew(codec):
    german, french = Profile("A", country="DE"), Profile("B", country="FR")
    table = [
        entry(codec, "ann", french),
        entry(codec, "ann", german),
        entry(codec, "bob", german),
        entry(codec, "bob", french),
        entry(codec, "gone", None),
        Stored(0, 0, b"@applied:changes", b"not a profile"),
        entry(codec, "erased", german),
        Stored(0, 0, b"erased", None),
    ]
    patch = (Operation.PATCH, Profile("x", country="DE"), ["name"])
    with WhereFilter(parse_where(["country=DE"]), codec, table) as wanted:
        for profile_id, sent, carried in (
            ("ann", True, (Operation.UPSERT, german)),
            ("ann", False, (Operation.UPSERT, french)),
            ("new", True, (Operation.UPSERT, german)),
            ("ann", True, patch),
            ("bob", False, patch),
            ("new", False, patch),
            ("ann", True, (Operation.DELETE,)),
            ("ann", True, (Operation.REINDEX,)),
            ("bob", False, (Operation.REINDEX,)),
            ("bob", False, (Operation.DELETE,)),
            ("gone", False, (Operation.DELETE,)),
            ("erased", False, patch),
        ):
            one = change(profile_id, *carried)
            for value in (one, codec.encode("changes-value", one)):
                assert wanted(Replayed(0, 0, profile_id, value)) is sent, (profile_id, carried)
        assert wanted(Replayed(0, 0, "ann", b"garbage")) is False
