import pytest

from schemas.records import Position, Profile
from streams.fields import profile_fields


@pytest.mark.parametrize(
    ("starts", "since"),
    [([], 0), ([None], 0), (["2019-04", "2003", None, "2011-12"], 2003), (["0000"], 0)],
)
def test_a_career_began_with_its_earliest_position(starts, since):
    positions = [Position("Nurse", start=start) for start in starts]

    assert profile_fields(Profile("Ada", positions=positions), 1).career_since == since


def test_only_who_says_nothing_of_visibility_is_there_for_everybody():
    assert profile_fields(Profile("Ada"), None).visibility == "public"
    assert profile_fields(Profile("Ada", visibility="board"), None).visibility == "board"
    # The contract has no such label; nobody's rights will name it.
    assert profile_fields(Profile("Ada", visibility=""), None).visibility == ""
