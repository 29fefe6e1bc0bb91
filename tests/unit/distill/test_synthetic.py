import hashlib
import itertools
import json
import math
import re
import statistics
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from distill.synthetic import SyntheticProfile, synthetic_changes, synthetic_profiles
from distill.synthetic.dirt import KINDS
from distill.synthetic.grammar import gerund, third_person, with_article
from distill.taxonomy import LEVELS, load_taxonomy
from schemas.records import Profile
from workers.render import render

TOKENIZER = Path(__file__).parents[3] / "models" / "student-v1" / "tokenizer.json"
FIRST_200_SHA256 = "27a3f45d6ad01d361c19e4584ba7526e1a39c6b9a8d0c4c6d811eee19a2487bb"

ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
DATE = re.compile(r"\d{4}(-\d{2})?")


def digest(profiles: list[SyntheticProfile]) -> str:
    """sha256 of the profiles as canonical JSON, one a line."""
    lines = (json.dumps([p.profile_id, asdict(p.profile)], sort_keys=True, ensure_ascii=True) for p in profiles)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


@pytest.fixture(scope="module")
def profiles() -> list[SyntheticProfile]:
    return list(synthetic_profiles(5000, seed=7))


@pytest.fixture(scope="module")
def clean(profiles: list[SyntheticProfile]) -> list[SyntheticProfile]:
    return [p for p in profiles if p.dirt is None]


def texts_of(profile: Profile) -> Iterator[str]:
    """Every text of a profile, names of schools and employers included."""
    for value in asdict(profile).values():
        for item in value if isinstance(value, list) else [value]:
            yield from (text for text in (item.values() if isinstance(item, dict) else [item]) if text is not None)


def test_the_same_seed_gives_the_same_bytes() -> None:
    assert digest(list(synthetic_profiles(200, seed=7))) == FIRST_200_SHA256


def test_a_profile_does_not_depend_on_how_many_are_made(profiles: list[SyntheticProfile]) -> None:
    assert list(synthetic_profiles(20, seed=7)) == profiles[:20]
    assert list(synthetic_profiles(20, seed=8)) != profiles[:20]


def test_every_profile_is_valid(profiles: list[SyntheticProfile]) -> None:
    assert len({p.profile_id for p in profiles}) == len(profiles)
    for made in profiles:
        assert ID.fullmatch(made.profile_id)
        assert made.profile.name.strip()
        assert made.profile.seniority in (*LEVELS, None)
        for text in texts_of(made.profile):
            assert text.strip(), made
            assert not any(unicodedata.category(c) in ("Cc", "Cs") for c in text), made.profile_id
            assert "{" not in text, text


def test_careers_rise_and_their_dates_follow(clean: list[SyntheticProfile]) -> None:
    for made in clean:
        jobs = made.profile.positions
        assert 2 <= len(jobs) <= 5
        assert jobs[0].end is None
        assert all(older.end == newer.start for newer, older in itertools.pairwise(jobs))
        for job in jobs:
            assert job.start is not None
            assert DATE.fullmatch(job.start)
            assert job.start < (job.end or "2026-06")
        for school in made.profile.education:
            assert (school.end or "") <= (jobs[-1].start or "")[:4]


def test_lengths_are_lognormal_around_120_tokens(clean: list[SyntheticProfile]) -> None:
    tokenizer = Tokenizer.from_file(str(TOKENIZER))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    lengths = [len(e) for e in tokenizer.encode_batch_fast([render(p.profile) for p in clean])]
    assert 110 <= statistics.mean(lengths) <= 130
    assert 100 <= statistics.median(lengths) <= 118
    assert 0.33 <= statistics.pstdev(math.log(n) for n in lengths) <= 0.45


def test_a_fifth_is_in_other_languages(profiles: list[SyntheticProfile]) -> None:
    shares = Counter(p.language for p in profiles)
    assert 0.15 <= 1 - shares["en"] / len(profiles) <= 0.25
    assert all(shares[language] >= 80 for language in ("de", "es", "fr", "it", "pt", "nl", "pl"))


def test_all_occupations_levels_and_styles_occur(profiles: list[SyntheticProfile]) -> None:
    assert {p.occupation_id for p in profiles} == {o.id for o in load_taxonomy().occupations}
    assert {p.profile.seniority for p in profiles} >= set(LEVELS)
    assert {p.style for p in profiles} == {"first", "third", "telegraphic", "enthusiastic", "hobbies"}


def test_three_in_a_hundred_are_dirty_in_every_way(profiles: list[SyntheticProfile]) -> None:
    dirty = Counter(p.dirt for p in profiles if p.dirt)
    assert 0.02 <= dirty.total() / len(profiles) <= 0.04
    assert set(dirty) == set(KINDS)
    longest = [p.profile.summary or "" for p in profiles if p.dirt == "very long"]
    assert all(len(text.split()) > 2000 for text in longest)


def test_no_two_texts_are_alike(
    profiles: list[SyntheticProfile], record_property: Callable[[str, object], None]
) -> None:
    texts = [render(p.profile) for p in profiles]
    assert len(set(texts)) == len(texts)
    sentences = [s for p in profiles if p.dirt is None for s in re.split(r"(?<=[.!?]) ", p.profile.summary or "") if s]
    ratio = len(set(sentences)) / len(sentences)
    record_property("distinct_sentence_ratio", ratio)
    assert ratio >= 0.55, f"{ratio:.3f} of {len(sentences)} sentences are distinct"


def test_changes_build_on_each_other(profiles: list[SyntheticProfile]) -> None:
    state = {p.profile_id: p.profile for p in profiles[:300]}
    gone: set[str] = set()
    kinds: Counter[str] = Counter()
    for change in synthetic_changes(profiles[:300], 400, seed=3):
        kinds[change.kind] += 1
        assert change.profile_id not in gone
        assert (change.profile_id in state) == (change.kind != "new")
        if change.kind == "delete":
            assert change.profile is None
            gone.add(change.profile_id)
            del state[change.profile_id]
            continue
        assert change.profile is not None
        assert change.profile != state.get(change.profile_id)
        if change.kind == "move_job":
            assert len(change.profile.positions) == len(state[change.profile_id].positions) + 1
            assert [p.end for p in change.profile.positions].count(None) == 1
        state[change.profile_id] = change.profile
    assert set(kinds) == {"edit", "move_job", "new", "delete"}


def test_changes_are_repeatable_and_outlive_the_last_profile(profiles: list[SyntheticProfile]) -> None:
    assert list(synthetic_changes(profiles[:9], 50, seed=3)) == list(synthetic_changes(profiles[:9], 50, seed=3))
    assert next(synthetic_changes([], 1, seed=1)).kind == "new"


@pytest.mark.parametrize(
    ("task", "third", "noun"),
    [
        ("plan wards", "plans wards", "planning wards"),
        ("teach recall", "teaches recall", "teaching recall"),
        ("certify stands", "certifies stands", "certifying stands"),
        ("write briefs", "writes briefs", "writing briefs"),
        ("oversee ballast", "oversees ballast", "overseeing ballast"),
        ("reset locks", "resets locks", "resetting locks"),
        ("brief crews", "briefs crews", "briefing crews"),
        ("dye yarn", "dyes yarn", "dyeing yarn"),
    ],
)
def test_verb_forms(task: str, third: str, noun: str) -> None:
    assert third_person(task) == third
    assert gerund(task) == noun


@pytest.mark.parametrize(
    "phrase", ["a Baker", "an Oncologist", "an MRI Radiographer", "a UX Researcher", "an HGV Driver", "a 3D Animator"]
)
def test_articles_go_by_sound(phrase: str) -> None:
    assert with_article(phrase.split(" ", 1)[1]) == phrase
