from __future__ import annotations

import pytest

from kith.errors import InputError
from workers.model_collections import collection_name


@pytest.mark.parametrize(
    ("release", "expected"),
    [
        ("student-v0", "profiles__student_v0"),
        ("student-v1.2", "profiles__student_v1_2"),
        ("Teacher", "profiles__Teacher"),
        ("a", "profiles__a"),
    ],
)
def test_a_release_has_its_collection(release: str, expected: str) -> None:
    assert collection_name(release) == expected


@pytest.mark.parametrize("release", ["", "-v0", "v0.", "a b", "a/b", "é", "x" * 129, "a\n"])
def test_what_is_no_release_name_is_refused(release: str) -> None:
    with pytest.raises(InputError, match="not a release name"):
        collection_name(release)
