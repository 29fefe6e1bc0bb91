"""How far somebody is asked to be: "senior" and "junior" beside a word for a person, years of experience. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from schemas.search_records import FilterOperator
from workers.contract import Filter
from workers.filters import MAX_YEARS
from workers.query_reading.people import is_person
from workers.query_reading.words import Said, Word, are_joined, ends_at, is_negated, lower_at, word_at, word_set

# A level and the one next to it on its far side: a lead is senior, an intern is junior.
_LEVELS = {
    "senior": ("senior", "lead"),
    "sénior": ("senior", "lead"),
    "junior": ("junior", "intern"),
    "júnior": ("junior", "intern"),
    "mid-level": ("mid",),
    "entry-level": ("junior", "intern"),
}
_LEAD_IN = word_set(
    """
    a an the looking for need needs i we find me seeking searching search hire hiring want who is are any some our
    your wanted : - ich wir suche suchen brauche brauchen ein eine einen einer busco buscamos un una cherche
    cherchons une cerco cerchiamo procuro um uma zoek zoeken ik een szukam je of experienced as good great
    """
)
_ENDS_LEVEL = word_set(
    """
    in with who , en à mit avec con com met for für based
    """
)
_YEAR_WORDS = r"(?:years?['’]?|yrs?|jahren?|años?|ans|années?|anni|anos?|jaar|jaren|lata?)"
_EXPERIENCE = (
    r"(?:experience\b|experienced\b|in\s+(?:the|this)\s+(?:job|trade|profession|business|field|industry)\b|"
    r"\w*erfahrung\b|im\s+beruf\b|experiencia\b|(?:d['’])?expérience\b|esperienza\b|experiência\b|\w*ervaring\b|"
    r"doświadczeni\w+)"
)
_AT_LEAST = (
    r"at\s+least|(?:a\s+)?minimum(?:\s+of)?|min\.?|more\s+than|over|mindestens|wenigstens|mehr\s+als|über|al\s+menos|"
    r"por\s+lo\s+menos|más\s+de|mínimo|au\s+moins|plus\s+de|almeno|più\s+di|oltre|pelo\s+menos|mais\s+de|minstens|"
    r"ten\s+minste|minimaal|meer\s+dan|co\s+najmniej|przynajmniej|ponad"
)
_AT_MOST = (
    r"at\s+most|up\s+to|no\s+more\s+than|max(?:imum)?\.?(?:\s+of)?|höchstens|maximal|bis\s+zu|como\s+máximo|hasta|"
    r"au\s+plus|jusqu['’]à|al\s+massimo|no\s+máximo|até|hoogstens|maximaal|co\s+najwyżej|maksymalnie"
)
_BELOW = r"less\s+than|fewer\s+than|under|weniger\s+als|unter|menos\s+de|moins\s+de|meno\s+di|minder\s+dan|mniej\s+niż"
_NUMBERS = {
    name: number
    for number, name in enumerate(
        (
            "one",
            "two",
            "three",
            "four",
            "five",
            "six",
            "seven",
            "eight",
            "nine",
            "ten",
            "eleven",
            "twelve",
            "thirteen",
            "fourteen",
            "fifteen",
            "sixteen",
            "seventeen",
            "eighteen",
            "nineteen",
            "twenty",
        ),
        1,
    )
}
_TITLE_WORDS = 3

_WITH = r"(?:(?:with|having|mit|con|avec|com|met|z|ze)\s+)?"
_BOUND = rf"(?:(?P<least>{_AT_LEAST})\s+|(?P<most>{_AT_MOST})\s+|(?P<below>{_BELOW})\s+)?"
_NUMBER = rf"(?P<number>\d{{1,2}}|{'|'.join(_NUMBERS)})(?:\s*(?:-|–|to|bis)\s*\d{{1,2}})?\s*(?:\+|plus\b|or\s+more\b)?"
_FILLER = r"(?:\s+(?:of|or|more|de|di|d['’]|professional|work|working|relevant|practical|hands-on|solid|e|mais|in))*"
_YEARS = re.compile(
    rf"(?<!\w){_WITH}{_BOUND}(?<![\w.,]){_NUMBER}[\s-]*{_YEAR_WORDS}(?!\w){_FILLER}\s*{_EXPERIENCE}", re.IGNORECASE
)
# "10-letnim doświadczeniem": the number is half of the word.
_YEARS_POLISH = re.compile(
    rf"(?<!\w){_WITH}(?<![\w.,])(?P<number>\d{{1,2}})\s*-?\s*letni\w*\s+doświadczeni\w+", re.IGNORECASE
)
# Without a word for experience only where nothing else can be meant: "a baker with at least 5 years".
_YEARS_BARE = re.compile(
    rf"(?<!\w)(?:with|mit|con|avec|com|met)\s+(?P<least>{_AT_LEAST})\s+{_NUMBER}[\s-]*{_YEAR_WORDS}\s*[.?!]*\s*$",
    re.IGNORECASE,
)


def said_levels(words: Sequence[Word]) -> Iterator[Said]:
    """The level that is asked for; the first one counts."""
    for place in range(len(words)):
        end = _level_end(words, place)
        levels = _LEVELS.get("".join(word.lower for word in words[place:end]))
        if levels is None or is_negated(words, place):
            continue
        if _before_person(words, place, end) or _after_person(words, place, end):
            yield Said(words[place].start, words[end - 1].end, (Filter("seniority", FilterOperator.IN, levels),))
            return


def said_years(text: str) -> Iterator[Said]:
    """The years of experience that are asked for; the first ones count."""
    found = _YEARS.search(text) or _YEARS_POLISH.search(text) or _YEARS_BARE.search(text)
    if found is None:
        return
    groups = found.groupdict()
    named = groups["number"].casefold()
    years = _NUMBERS.get(named) or (int(named) if named.isdigit() else 0)
    below = bool(groups.get("below"))
    operator = FilterOperator.AT_MOST if below or groups.get("most") else FilterOperator.AT_LEAST
    years -= below
    if 0 <= years <= MAX_YEARS:
        yield Said(found.start(), found.end(), (Filter("years", operator, (str(years),)),))


def _level_end(words: Sequence[Word], place: int) -> int:
    """The place after a level: "mid-level" is three words."""
    return place + 3 if words[place].lower in {"mid", "entry"} and lower_at(words, place + 1) == "-" else place + 1


def _before_person(words: Sequence[Word], place: int, end: int) -> bool:
    """Whether the question begins with the level, and a person follows: "senior nurse", and not "senior care nurse"."""
    if not all(word.lower in _LEAD_IN for word in words[:place]):
        return False
    at = end + (lower_at(words, end) == "-")
    return is_person(word_at(words, at)) or any(_is_title(words, at, at + more) for more in range(1, _TITLE_WORDS))


def _is_title(words: Sequence[Word], place: int, last: int) -> bool:
    """Whether these words are a title, as "data scientist", and no more than that is said in one breath."""
    closed = ends_at(words, last + 1) or lower_at(words, last + 1) in _ENDS_LEVEL
    named = all(word.is_word and word.lower not in _NOT_A_TITLE for word in words[place:last])
    return closed and named and is_person(word_at(words, last))


def _after_person(words: Sequence[Word], place: int, end: int) -> bool:
    """Whether the level stands right after a person, as in "ingénieur senior"."""
    before = word_at(words, place - 1)
    closed = ends_at(words, end) or lower_at(words, end) in _ENDS_LEVEL
    return closed and is_person(before) and before is not None and not are_joined(before, words[place])


_NOT_A_TITLE = word_set(
    """
    care citizen citizens living home homes people residents center centre dog dogs cat cats fitness housing
    health services service high school college yoga companion dance club team league football tennis golf hockey
    swim swimming choir camp sports rugby soccer basketball nutrition travel community day memory pet horse
    """
)
