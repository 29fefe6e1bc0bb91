"""Questions in lay words, answered by meaning and by keywords, side by side."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from distill.taxonomy import DemoQuestion
from kith.commands.demo.keyword_search import KeywordSearch
from schemas.records import Profile
from schemas.search_records import ReplyHit, SearchMode, SearchReply, SearchRequest
from workers.render import Renderer

TOP = 3


@dataclass(frozen=True, slots=True)
class Answer:
    """What both ways found.

    Attributes:
        rank: place of the first right person by meaning, from 1; None when none is among those asked for.
        keyword_rank: the same for BM25.
        best, keyword_best: headline found first, by meaning the first right one where there is one.
    """

    question: str
    rank: int | None
    keyword_rank: int | None
    best: str
    keyword_best: str

    @property
    def by_meaning(self) -> bool:
        """Whether a right person is in the first three by meaning."""
        return self.rank is not None and self.rank <= TOP

    @property
    def by_keywords(self) -> bool:
        """Whether a right person is in the first three by BM25."""
        return self.keyword_rank is not None and self.keyword_rank <= TOP


class Comparison:
    """Asks over the bus and beside it a BM25 index over the same texts.

    Args:
        profiles: every profile that the index holds, by id.
        occupations: what each profile's person does, by id.
        render: profile to text, as the index has it.
    """

    def __init__(self, profiles: Mapping[str, Profile], occupations: Mapping[str, str], render: Renderer) -> None:
        self._profiles = profiles
        self._occupations = occupations
        self._keywords = KeywordSearch(list(profiles), [render(profile) for profile in profiles.values()])

    def answer(self, question: DemoQuestion, ask: Callable[[SearchRequest], SearchReply], limit: int = 10) -> Answer:
        """Both answers to a question, each from its best `limit`."""
        request = SearchRequest(question.text, limit=limit, with_matched_text=False, mode=SearchMode.SEMANTIC)
        hits = ask(request).hits
        found = self._keywords.best(question.text, limit)
        rank = self._first_right(question, [hit.profile_id for hit in hits])
        keyword_rank = self._first_right(question, found)
        return Answer(
            question.text, rank, keyword_rank, _headline(hits, rank), self._keyword_headline(found, keyword_rank)
        )

    def _first_right(self, question: DemoQuestion, ids: Sequence[str]) -> int | None:
        for place, profile_id in enumerate(ids, start=1):
            if self._occupations.get(profile_id) in question.occupations:
                return place
        return None

    def _keyword_headline(self, found: Sequence[str], rank: int | None) -> str:
        if not found:
            return "nobody"
        profile = self._profiles[found[(rank or 1) - 1]]
        return profile.headline or (profile.positions[0].title if profile.positions else profile.name)


def _headline(hits: Sequence[ReplyHit], rank: int | None) -> str:
    if not hits:
        return "nobody"
    hit = hits[(rank or 1) - 1]
    return hit.headline or hit.name
