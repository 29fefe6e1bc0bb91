"""A question to what remains of it and the conditions that its words say. Pure, and never refuses a text."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from schemas.search_records import QueryReading, ReadFilter
from workers.contract import Filter
from workers.filters import MAX_VALUES
from workers.query_reading.careers import said_levels, said_years
from workers.query_reading.places import said_places
from workers.query_reading.tongues import said_tongues
from workers.query_reading.words import Said, words_of

# More of one kind would contradict each other more often than not: the question is then about something else.
_MOST_OF_A_FIELD = 1

# A longer text is no question but a document, in which a place may be anybody's.
MAX_CHARS = 400

_LOOSE_ENDS = re.compile(r"^[\s,;:&/-]+|[\s,;:&/-]+$")
_GAP = re.compile(r"\s+([,.;:?!])|\s{2,}")


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read out of a question.

    Attributes:
        rest: the question without the words of its conditions; as it was written where nothing else is left.
        said: the conditions with their words, in the order of the question.
    """

    rest: str
    said: tuple[tuple[Filter, str], ...]

    @property
    def filters(self) -> tuple[Filter, ...]:
        """The conditions alone."""
        return tuple(one for one, _words in self.said)

    def record(self, query: str, *, dropped: bool) -> QueryReading:
        """What a reply says of it; `query`: what was searched for."""
        read = [ReadFilter(one.field, one.operator.value, list(one.values), words) for one, words in self.said]
        return QueryReading(query, read, dropped)


def read_query(text: str) -> Reading:
    """Read a question, in any language; where nothing is sure, and of a long text, nothing is read."""
    if len(text) > MAX_CHARS:
        return Reading(text, ())
    plain = unicodedata.normalize("NFC", text)
    words = words_of(plain)
    found = [*said_places(words), *said_tongues(words), *said_levels(words), *said_years(plain)]
    said = _apart(sorted(found, key=lambda one: one.start))
    if not said:
        return Reading(text, ())
    pairs = tuple((one, plain[part.start : part.end].strip(" ,")) for part in said for one in part.filters)
    return Reading(_rest(plain, said) or text, pairs)


def _apart(found: list[Said]) -> list[Said]:
    """Parts that do not overlap, without fields of which too much is said."""
    counts: dict[str, int] = {}
    for part in found:
        for one in part.filters:
            counts[one.field] = counts.get(one.field, 0) + 1
    kept: list[Said] = []
    for part in found:
        unclear = any(counts[one.field] > _MOST_OF_A_FIELD or len(one.values) > MAX_VALUES for one in part.filters)
        if not unclear and (not kept or kept[-1].end <= part.start):
            kept.append(part)
    return kept


def _rest(text: str, said: list[Said]) -> str:
    pieces, at = [], 0
    for part in said:
        pieces.append(text[at : part.start])
        at = part.end
    rest = _GAP.sub(lambda gap: gap.group(1) or " ", " ".join((*pieces, text[at:])))
    rest = _LOOSE_ENDS.sub("", rest)
    return rest if any(character.isalnum() for character in rest) else ""
