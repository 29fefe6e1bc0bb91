"""The policy as code: a question and a person give a grade and the clause that it rests on (`distill/policy.md`)."""

from __future__ import annotations

from dataclasses import dataclass

from distill.golden.authored import Asks, Golden, Peopled, Person, Question

_LEVELS = ("junior", "mid", "senior", "lead")
_STRICT = {"W3": 2, "W5": 3, "W6": 2}
_LEVEL_OFF = {1: 3, 2: 2, 3: 2}


@dataclass(frozen=True, slots=True)
class Grade:
    """0 to 4, and the clause of the policy."""

    grade: int
    clause: str


def grade_for_occupation(golden: Golden, asked: Peopled, question: Question, owner: Peopled, number: int) -> Grade:
    """How good person `number` (from 0) of `owner` is for a question about `asked`."""
    person = owner.people[number]
    if owner.id != asked.id:
        near = owner.id in golden.named[asked.id].near or asked.id in golden.named[owner.id].near
        return Grade(1, "N1") if near and person.status == "present" else Grade(0, "O1")
    if person.status == "aspiring":
        return Grade(1, "A1")
    missed = _missed(question.asks, person, number + 1)
    if person.status == "past":
        return Grade(1 if missed else 2, "P1")
    return _present(missed)


def grade_for_industry(golden: Golden, industry: str, owner: Peopled, person: Person) -> Grade:
    """How good a person is for a question about an industry."""
    if golden.named[owner.id].industry != industry or person.status == "aspiring":
        return Grade(0, "O1")
    return Grade(4 if person.status == "present" else 2, "I1")


def _present(missed: dict[str, int]) -> Grade:
    if not missed:
        return Grade(4, "W2")
    if len(missed) == 1:
        ((clause, grade),) = missed.items()
        return Grade(grade, clause)
    return Grade(max(1, min(missed.values()) - 1), "W7")


def _missed(asks: Asks, person: Person, number: int) -> dict[str, int]:
    """The clauses that fail, with the grade that each leaves at the most."""
    missed = {}
    if asks.city not in (None, person.city):
        missed["W3"] = _STRICT["W3"]
    if asks.level not in (None, person.level):
        missed["W4"] = _LEVEL_OFF[abs(_LEVELS.index(asks.level) - _LEVELS.index(person.level))]
    if asks.company_type not in (None, person.company_type):
        missed["W5"] = _STRICT["W5"]
    if asks.skilled is not None and number not in asks.skilled:
        missed["W6"] = _STRICT["W6"]
    return missed
