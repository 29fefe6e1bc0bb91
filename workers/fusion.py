"""Two rankings to one: reciprocal rank fusion (Cormack, Clarke and Büttcher, 2009), the words' list weighted. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from schemas.search_records import Explanation
from workers.contract import Hit
from workers.keyword_ranking import Ranked

# Of the paper; it is flat around this value.
RANK_CONSTANT = 60
# The words' ranking as it is, meaning only behind it.
WORDS_FIRST = 100.0
# Who holds less of the question's words was found by chance: one common word of a whole sentence. Of 0, 0.5, 0.75 and 1
# (as good) by the golden set.
LEAST_COVERAGE = 0.75


@dataclass(frozen=True, slots=True)
class Explained:
    """A hit and why it stands where it stands; `hit.score` is what it was ordered by."""

    hit: Hit
    why: Explanation


def by_meaning(hits: Sequence[Hit]) -> list[Explained]:
    """A ranking by meaning alone."""
    return [Explained(hit, Explanation(rank, hit.score)) for rank, hit in enumerate(hits, start=1)]


def by_words(found: Sequence[Ranked], limit: int) -> list[Explained]:
    """The best `limit` by words alone."""
    return [
        Explained(one.hit, Explanation(keyword_rank=rank, keyword_score=one.hit.score))
        for rank, one in enumerate(found[:limit], start=1)
    ]


def fused(semantic: Sequence[Hit], keyword: Sequence[Ranked], limit: int) -> list[Explained]:
    """The best `limit` of both rankings; equal ones in favour of words, then in the order of their ids.

    The score of a hit is the sum of 1 / (60 + rank) over the rankings that hold it. Of the words' ranking those count
    that hold at least `LEAST_COVERAGE` of the question's words, or are named so. Words come first, their ranking times
    `WORDS_FIRST`, where the question turns out to be a name or a phrase: somebody is named so, or whom the words find
    first has them together as they were asked for.
    """
    kept = [one for one in keyword if one.is_named or one.coverage >= LEAST_COVERAGE]
    told = any(one.is_named for one in kept) or any(one.has_phrase for one in kept[:1])
    keyword_weight = WORDS_FIRST if told else 1.0
    held = [one.hit for one in kept]
    hits = {hit.profile_id: hit for hit in (*held, *semantic)}
    whys = dict.fromkeys(hits, Explanation())
    scores = dict.fromkeys(hits, 0.0)
    for rank, hit in enumerate(semantic, start=1):
        whys[hit.profile_id] = Explanation(rank, hit.score)
        scores[hit.profile_id] += 1 / (RANK_CONSTANT + rank)
    for rank, hit in enumerate(held, start=1):
        whys[hit.profile_id] = replace(whys[hit.profile_id], keyword_rank=rank, keyword_score=hit.score)
        scores[hit.profile_id] += keyword_weight / (RANK_CONSTANT + rank)
    order = sorted(hits, key=lambda name: (-scores[name], whys[name].keyword_rank is None, name))
    return [Explained(replace(hits[name], score=scores[name]), whys[name]) for name in order[:limit]]
