"""Authored golden set to BEIR-style folders, one for each split: corpus.jsonl, queries.jsonl, qrels.tsv."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from distill.golden.authored import Golden, Peopled, Person
from distill.golden.grading import Grade, grade_for_industry, grade_for_occupation
from distill.synthetic.draws import Draw
from distill.words import shared_stems
from schemas.records import Position, Profile
from workers.render import Renderer, render

SPLITS = ("dev", "test")

_DEV_EVERY = 6
_WRONG_EACH = 6
_YEARS = "("


@dataclass(frozen=True, slots=True)
class _Judged:
    query: dict[str, Any]
    grades: dict[str, Grade]


def split_of(golden: Golden, occupation_id: str) -> str:
    """Every sixth occupation of the table is for choosing settings (dev), the others are for the figures (test)."""
    return "dev" if list(golden.named).index(occupation_id) % _DEV_EVERY == _DEV_EVERY - 1 else "test"


def compile_golden(golden: Golden, out: Path, text_of: Renderer = render) -> None:
    """Write `out/dev` and `out/test`; the same golden set gives the same bytes.

    The corpus of a split holds the people of its occupations only. `qrels.tsv` has the three columns of BEIR and a
    fourth, the clause of the policy; of the wrong people a sample is written out, as BEIR counts all others as wrong.

    Args:
        text_of: profile to the text of a document; which questions share no word stays a matter of the full text.
    """
    for split in SPLITS:
        folder = out / split
        folder.mkdir(parents=True, exist_ok=True)
        owners = [owner for owner in golden.occupations if split_of(golden, owner.id) == split]
        _write_lines(
            folder / "corpus.jsonl", (_document(o, n, p, text_of) for o in owners for n, p in enumerate(o.people))
        )
        judged = list(_judged(golden, owners))
        _write_lines(folder / "queries.jsonl", (item.query for item in judged))
        rows = ["query-id\tcorpus-id\tscore\tclause"]
        for item in judged:
            rows += [f"{item.query['_id']}\t{who}\t{g.grade}\t{g.clause}" for who, g in item.grades.items()]
        (folder / "qrels.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")


def _judged(golden: Golden, owners: list[Peopled]) -> Iterator[_Judged]:
    texts = {_id(o, n): render(_profile(p)) for o in owners for n, p in enumerate(o.people)}
    for asked in owners:
        for number, question in enumerate(asked.questions):
            grades = {
                _id(o, n): grade_for_occupation(golden, asked, question, o, n)
                for o in owners
                for n, _ in enumerate(o.people)
            }
            name = f"{asked.id}-q{number}"
            yield _item(name, question.text, question.language, question.kind, asked.id, grades, texts)
    industries = {golden.named[owner.id].industry for owner in owners}
    for number, asked_industry in enumerate(golden.industry_questions):
        if asked_industry.industry not in industries:
            continue
        grades = {
            _id(o, n): grade_for_industry(golden, asked_industry.industry, o, p)
            for o in owners
            for n, p in enumerate(o.people)
        }
        name = f"industry-q{number}"
        yield _item(name, asked_industry.text, asked_industry.language, "industry", None, grades, texts)


def _item(
    name: str,
    text: str,
    language: str,
    kind: str,
    occupation: str | None,
    grades: dict[str, Grade],
    texts: dict[str, str],
) -> _Judged:
    right = [texts[who] for who, grade in grades.items() if grade.grade >= 3]  # noqa: PLR2004  right by the policy
    shared = shared_stems(text, right)
    metadata = {"class": kind, "language": language, "occupation": occupation, "no_shared_word": not shared}
    wrong = Draw(f"wrong:{name}").sample([who for who, grade in grades.items() if grade.grade == 0], _WRONG_EACH)
    kept = {who: grade for who, grade in grades.items() if grade.grade > 0 or who in wrong}
    return _Judged({"_id": name, "text": text, "metadata": metadata}, kept)


def _document(owner: Peopled, number: int, person: Person, text_of: Renderer) -> dict[str, Any]:
    facets = person.model_dump(include={"status", "level", "city", "country", "company_type", "language"})
    text = text_of(_profile(person))
    return {"_id": _id(owner, number), "title": "", "text": text, "metadata": {"occupation": owner.id, **facets}}


def _id(owner: Peopled, number: int) -> str:
    return f"{owner.id}-{number + 1}"


def _profile(person: Person) -> Profile:
    return Profile(
        name="",
        headline=person.headline,
        summary=person.about.strip(),
        location=person.city,
        country=person.country,
        skills=list(person.skills),
        positions=[_position(job) for job in person.jobs],
    )


def _position(job: str) -> Position:
    """`Title @ Employer (2011-2019)` as a position; one without a last year is a present one."""
    what, _, years = job.rpartition(_YEARS)
    title, _, company = (what or job).partition(" @ ")
    begin, _, end = years.rstrip(") ").partition("-")
    return Position(title=title.strip(), company=company.strip() or None, start=begin or None, end=end or None)


def _write_lines(path: Path, rows: Iterator[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
