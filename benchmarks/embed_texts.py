"""What the embedding benchmarks embed: made-up profiles and the questions of people who need one."""

from __future__ import annotations

from collections.abc import Sequence

from distill.synthetic import synthetic_profiles
from distill.taxonomy import load_taxonomy
from workers.embedding import load_tokenizer
from workers.release import Release
from workers.render import render


def count_tokens(release: Release, texts: Sequence[str]) -> list[int]:
    """Tokens of each text, cut as the release cuts them."""
    return [len(encoding) for encoding in load_tokenizer(release).encode_batch_fast(list(texts))]


def profiles(count: int) -> list[str]:
    """Profiles of every length, as they come."""
    return [render(made.profile) for made in synthetic_profiles(count, seed=1)]


def questions(count: int) -> list[str]:
    """What people ask in their own words."""
    return [need for occupation in load_taxonomy().occupations for need in occupation.lay_needs][:count]


def profiles_of_length(count: int, shortest: int, longest: int, releases: Sequence[Release]) -> list[str]:
    """Profiles that have from `shortest` to `longest` tokens for the tokenizer of each release.

    Raises:
        SystemExit: there are too few.
    """
    made = profiles(40 * count)
    lengths = [count_tokens(release, made) for release in releases]
    fits = [all(shortest <= one <= longest for one in of_text) for of_text in zip(*lengths, strict=True)]
    found = [text for text, fit in zip(made, fits, strict=True) if fit][:count]
    if len(found) < count:
        raise SystemExit(f"Only {len(found)} profiles have {shortest} to {longest} tokens; ask for fewer.")
    return found
