"""What is authored of the golden set, read from `distill/golden/data/`: occupations, their people, questions."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from distill.taxonomy import LANGUAGES
from kith.errors import InputError

DATA = Path(__file__).parent / "data"

Language = Literal["en", "de", "es", "fr", "it", "pt", "nl", "pl"]
Level = Literal["junior", "mid", "senior", "lead"]
CompanyType = Literal[
    "self_employed", "small_business", "corporation", "startup", "hospital",
    "public_sector", "university", "charity", "school", "agency",
]  # fmt: skip

_COLUMNS = 3 + len(LANGUAGES)


class GoldenError(InputError):
    """A file of the golden set is not as it should be; names the file and the place."""


class _Authored(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Person(_Authored):
    """One profile. `status`: does the work now, did it before, or wishes to."""

    status: Literal["present", "past", "aspiring"]
    level: Level
    city: str
    country: str = Field(pattern=r"^[A-Z]{2}$")
    company_type: CompanyType
    language: Language
    headline: str
    about: str
    skills: tuple[str, ...] = ()
    jobs: tuple[str, ...] = Field(min_length=1)


class Asks(_Authored):
    """What a question asks for besides the occupation. `skilled`: numbers of the present people who show a skill."""

    city: str | None = None
    level: Level | None = None
    company_type: CompanyType | None = None
    skilled: tuple[int, ...] | None = None


class Question(_Authored):
    """A question for an occupation. `kind`: the class it is counted in."""

    text: str
    language: Language
    kind: Literal["lay", "synonym", "title", "skill", "place", "company", "seniority", "constraint", "cross"] = Field(
        alias="class"
    )
    asks: Asks = Asks()


class IndustryQuestion(_Authored):
    """A question for anybody of an industry."""

    text: str
    language: Language
    industry: str


class Peopled(_Authored):
    """An occupation's people and questions."""

    id: str
    people: tuple[Person, ...] = Field(alias="person")
    questions: tuple[Question, ...] = Field(alias="query")


class _File(_Authored):
    occupations: tuple[Peopled, ...] = Field(alias="occupation")
    industry_questions: tuple[IndustryQuestion, ...] = Field((), alias="industry_query")


class Named(_Authored):
    """A held-out occupation. `near`: ids of adjacent ones; `names`: by language."""

    id: str
    industry: str
    near: tuple[str, ...]
    names: dict[str, tuple[str, ...]]


class Golden(_Authored):
    """All that is authored."""

    named: dict[str, Named]
    occupations: tuple[Peopled, ...]
    industry_questions: tuple[IndustryQuestion, ...]


@cache
def held_out_names(folder: Path = DATA) -> tuple[str, ...]:
    """What the held-out occupations are called, in every language: training may name none of them.

    Raises:
        GoldenError: the table is missing or malformed.
    """
    return tuple(name for named in _named(folder).values() for names in named.names.values() for name in names)


def load_golden(folder: Path = DATA) -> Golden:
    """Read and check everything.

    Raises:
        GoldenError: a file is malformed, an id or an industry is unknown, or a question asks for what nobody has.
    """
    named = _named(folder)
    files = [(path, _file(path)) for path in sorted(folder.glob("*.toml"))]
    for path, content in files:
        for occupation in content.occupations:
            _check(path, occupation, named)
        for question in content.industry_questions:
            if question.industry not in {known.industry for known in named.values()}:
                raise _error(path, f"industry {question.industry!r} is not in occupations.tsv")
    occupations = tuple(occupation for _, content in files for occupation in content.occupations)
    ids = [occupation.id for occupation in occupations]
    if twice := sorted({i for i in ids if ids.count(i) > 1}):
        raise GoldenError(f"{twice[0]} has people in two places.", f"Keep one of them under {folder}.")
    return Golden(
        named=named,
        occupations=occupations,
        industry_questions=tuple(question for _, content in files for question in content.industry_questions),
    )


def _named(folder: Path) -> dict[str, Named]:
    path = folder / "occupations.tsv"
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise GoldenError(f"{path}: cannot be read: {error.strerror}.") from error
    named = {}
    for number, line in enumerate(lines, start=1):
        cells = line.split("\t")
        if len(cells) != _COLUMNS:
            raise _error(path, f"line {number} has {len(cells)} cells, it takes {_COLUMNS}")
        names = {language: tuple(cell.split("/")) for language, cell in zip(LANGUAGES, cells[3:], strict=True)}
        near = tuple(cells[2].split("/")) if cells[2] else ()
        named[cells[0]] = Named(id=cells[0], industry=cells[1], near=near, names=names)
    for row in named.values():
        if unknown := set(row.near) - set(named):
            raise _error(path, f"{row.id}: near: unknown {min(unknown)}")
    return named


def _file(path: Path) -> _File:
    try:
        return _File.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise _error(path, f"cannot be read: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        raise _error(path, f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}") from error


def _check(path: Path, occupation: Peopled, named: dict[str, Named]) -> None:
    if occupation.id not in named:
        raise _error(path, f"{occupation.id} is not in occupations.tsv")
    present = [person for person in occupation.people if person.status == "present"]
    for question in occupation.questions:
        asks = question.asks
        if asks.skilled and max(asks.skilled) > len(present):
            raise _error(path, f"{occupation.id}: {question.text!r} asks for person {max(asks.skilled)}")
        wanted = {key: value for key, value in asks.model_dump(exclude={"skilled"}).items() if value is not None}
        if wanted and not any(all(getattr(p, k) == v for k, v in wanted.items()) for p in present):
            raise _error(path, f"{occupation.id}: nobody present is what {question.text!r} asks for")


def _error(path: Path, what: str) -> GoldenError:
    return GoldenError(f"{path.name}: {what}.", f"Correct {path}.")
