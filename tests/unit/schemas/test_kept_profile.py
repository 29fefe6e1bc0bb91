from dataclasses import asdict, replace

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import kept_profile
from schemas.codec import Codec, DecodeError
from schemas.contracts import parsed, schema_text
from schemas.records import (
    KnownProfile,
    Operation,
    Outcome,
    Profile,
    ProfileChange,
    ProfileState,
    SettledChange,
)
from tests.fakes_bus import MemoryRegistry
from tests.unit.schemas.test_codec import changes, profiles

known = st.builds(
    KnownProfile,
    version=st.integers(-1, 2**63 - 1),
    occurred_at=st.none() | st.integers(0, 2**50),
    profile=st.none(),
    text_sha256=st.none() | st.binary(min_size=32, max_size=32),
    settled=st.lists(
        st.builds(SettledChange, st.integers(0, 2**40), st.sampled_from(Outcome), st.booleans()), max_size=3
    ),
)


def codec():
    return Codec(MemoryRegistry())


def read_again(ours, change):
    return ours.decode(ours.encode("s", change), ProfileChange)


@given(changes, known)
def test_an_entry_has_the_bytes_that_encoding_it_gives(change, state):
    ours = codec()
    came = read_again(ours, change)
    assert came == change
    assert (came.profile is None) == (change.profile is None)
    if came.profile is None or change.profile is None:
        return
    assert came.profile.written is not None
    assert change.profile.written is None, "nothing is known of the bytes of what was not read"
    kept, encoded = (ProfileState(replace(state, profile=one.profile)) for one in (came, change))
    assert ours.encode("t", kept) == ours.encode("t", encoded)
    assert ours.decode(ours.encode("t", kept), ProfileState) == encoded


@given(profiles)
def test_a_copy_that_says_something_else_has_not_the_bytes_of_the_first(profile):
    ours = codec()
    came = read_again(ours, ProfileChange("p", 1, 2, Operation.UPSERT, None, profile)).profile
    patched = replace(came, name="Somebody Else")
    assert patched.written is None
    state = ProfileState(KnownProfile(1, 2, patched, None))
    assert ours.decode(ours.encode("t", state), ProfileState).known.profile.name == "Somebody Else"


def test_bytes_under_another_contract_are_not_kept():
    ours = codec()
    data = ours.encode("s", ProfileChange("p", 1, 2, Operation.UPSERT, None, Profile("Ada")))
    assert ours.decode(data, ProfileChange).profile.written is not None
    ours._checked = {
        key: {**schema, "fields": [*schema["fields"]], "doc": "older"} for key, schema in ours._checked.items()
    }
    assert ours.decode(data, ProfileChange).profile.written is None


def test_both_contracts_have_the_same_profile():
    canonical = [
        fastavro.schema.to_parsing_canonical_form(split.value) for split in (kept_profile._CHANGE, kept_profile._ENTRY)
    ]
    assert canonical[0] == canonical[1], "bytes of one cannot be written into the other: change both contracts"


def test_what_is_before_and_after_makes_the_whole():
    for split, whole in ((kept_profile._CHANGE, ProfileChange), (kept_profile._ENTRY, ProfileState)):
        names = [field["name"] for field in parsed(schema_text(whole))["fields"]]
        assert split.before["fields"][0]["name"] == names[0]
        assert split.after["fields"][-1]["name"] == names[-1]


@pytest.mark.parametrize("cut", [6, 20, -1])
def test_bytes_that_end_early_are_refused_as_before(cut):
    ours = codec()
    data = ours.encode("s", ProfileChange("p" * 9, 1, 2, Operation.UPSERT, "x", Profile("Ada", skills=["a"] * 4)))
    with pytest.raises(DecodeError, match=r"Not a .*ProfileChange under schema"):
        ours.decode(data[:cut], ProfileChange)
    with pytest.raises(DecodeError, match="1 bytes are left over"):
        ours.decode(data + b"\0", ProfileChange)


def test_nothing_of_it_is_shown_or_compared_and_it_is_no_field():
    first, second = Profile("Ada"), Profile("Ada")
    first.came_as(b"bytes")
    assert first == second
    assert asdict(first) == asdict(second)
    assert repr(first) == repr(second)
