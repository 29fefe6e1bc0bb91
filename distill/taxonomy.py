"""The authored taxonomy: occupations, places, names, employers, schools and phrases, read from `distill/taxonomy/`."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from kith.errors import InputError

ROOT = Path(__file__).parent / "taxonomy"
LEVELS = ("intern", "junior", "mid", "senior", "lead", "director", "executive")
LANGUAGES = ("en", "de", "es", "fr", "it", "pt", "nl", "pl")
STUDIES = ("university", "vocational", "academy")

# How many of each an occupation has; outside of these its profiles are too alike or too long.
_BOUNDS = {
    "skills": (8, 15),
    "tools": (2, 8),
    "tasks": (4, 8),
    "specialities": (2, 4),
    "employers": (1, 6),
    "lay": (2, 4),
}
_OCCUPATION_KEYS = {"id", "title", "also", "field", "ladder", "steps", "study", "qualifications", "local", *_BOUNDS}


class TaxonomyError(InputError):
    """A file of the taxonomy is not as it should be; names the file and the key."""


@dataclass(frozen=True, slots=True)
class LocalText:
    """An occupation in another language: its title, noun phrases for what is done in it, and lay needs.

    `needs` say what `Occupation.lay_needs` say, freely, in the same order.
    """

    title: str
    phrases: tuple[str, ...]
    needs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Occupation:
    """One occupation.

    Attributes:
        titles: English title by level of seniority, lowest first; `mid` is always there.
        also: other English titles of the middle level.
        tasks: English, each begins with its verb in the base form and has no other finite verb.
        employers: kinds of employers, keys of `Taxonomy.employers`.
        lay_needs: questions of people who do not know the occupation's words: none of them occurs in `own_texts`.
        local: title and phrases by language other than English.
    """

    id: str
    industry: str
    field: str
    study: str
    titles: Mapping[str, str]
    also: tuple[str, ...]
    skills: tuple[str, ...]
    tools: tuple[str, ...]
    tasks: tuple[str, ...]
    specialities: tuple[str, ...]
    employers: tuple[str, ...]
    qualifications: tuple[str, ...]
    lay_needs: tuple[str, ...]
    local: Mapping[str, LocalText]

    @property
    def own_texts(self) -> tuple[str, ...]:
        """Every English text of the occupation that can occur in a profile."""
        named = (*self.titles.values(), *self.also, self.field, self.industry)
        return (*named, *self.skills, *self.tools, *self.tasks, *self.specialities, *self.qualifications)


@dataclass(frozen=True, slots=True)
class Place:
    """A city. `country`: ISO 3166-1 alpha-2; `shown`: the country's English name; `language`: ISO 639-1."""

    city: str
    country: str
    shown: str
    language: str
    origins: tuple[str, ...]

    @property
    def location(self) -> str:
        """The place as a profile shows it."""
        return f"{self.city}, {self.shown}"


@dataclass(frozen=True, slots=True)
class Names:
    """Names of one origin."""

    she: tuple[str, ...]
    he: tuple[str, ...]
    family: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DemoQuestion:
    """A lay question of the demo and the ids of the occupations that are right answers to it."""

    text: str
    language: str
    occupations: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Taxonomy:
    """All that is authored.

    Attributes:
        employers: kind, then language, then name patterns.
        schools: language, then level of study, then name patterns; `degrees` alike.
        phrases: as in common/phrases.toml.
        questions: language, then kind (about, title, place, senior), then patterns; as in common/queries.toml.
        asides: by language, what biographies say besides the work.
    """

    occupations: tuple[Occupation, ...]
    places: tuple[Place, ...]
    names: Mapping[str, Names]
    employers: Mapping[str, Mapping[str, tuple[str, ...]]]
    stems: tuple[str, ...]
    schools: Mapping[str, Mapping[str, tuple[str, ...]]]
    degrees: Mapping[str, Mapping[str, tuple[str, ...]]]
    phrases: Mapping[str, Any]
    questions: Mapping[str, Mapping[str, tuple[str, ...]]]
    asides: Mapping[str, tuple[str, ...]]
    dirt: Mapping[str, tuple[str, ...]]

    def occupation(self, occupation_id: str) -> Occupation:
        """The occupation with this id.

        Raises:
            TaxonomyError: there is none.
        """
        for occupation in self.occupations:
            if occupation.id == occupation_id:
                return occupation
        raise TaxonomyError(f"The taxonomy has no occupation {occupation_id!r}.")


@dataclass(frozen=True, slots=True)
class _Table:
    """A table of a TOML file that says where a wrong key stands."""

    file: str
    path: str
    data: Mapping[str, Any]

    def error(self, key: str, what: str) -> TaxonomyError:
        where = f"{self.path}.{key}" if self.path else key
        return TaxonomyError(f"{self.file}: {where}: {what}.", "Correct the file under distill/taxonomy.")

    def text(self, key: str) -> str:
        value = self.data.get(key)
        if not isinstance(value, str) or not value.strip():
            raise self.error(key, "a text is missing")
        return value

    def texts(self, key: str, least: int = 1, most: int = 1000, *, repeats: bool = False) -> tuple[str, ...]:
        value = self.data.get(key)
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise self.error(key, "a list of texts is missing")
        if not least <= len(value) <= most:
            raise self.error(key, f"{len(value)} texts; it takes {least} to {most}")
        if len(set(value)) != len(value) and not repeats:
            raise self.error(key, "a text occurs twice")
        return tuple(value)

    def table(self, key: str) -> _Table:
        value = self.data.get(key)
        if not isinstance(value, dict):
            raise self.error(key, "a table is missing")
        return _Table(self.file, f"{self.path}.{key}" if self.path else key, value)

    def tables(self, key: str) -> tuple[_Table, ...]:
        value = self.data.get(key)
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            raise self.error(key, "an array of tables is missing")
        paths = (f"{key}[{i}] {item.get('id', '')}".strip() for i, item in enumerate(value))
        return tuple(_Table(self.file, path, item) for path, item in zip(paths, value, strict=True))


@cache
def load_taxonomy(root: Path = ROOT) -> Taxonomy:
    """Read and check the taxonomy; read once per process and folder.

    Raises:
        TaxonomyError: a file is missing or not TOML, or a key is missing, unknown or wrong; names file and key.
    """
    common = root / "common"
    employers = _read(common / "employers.toml")
    kinds = employers.table("kinds")
    education = _read(common / "education.toml")
    ladders = _read(common / "ladders.toml")
    taxonomy = Taxonomy(
        occupations=_occupations(root / "industries", ladders, frozenset(kinds.data)),
        places=_places(_read(common / "places.toml")),
        names=_names(_read(common / "names.toml")),
        employers={kind: _by_key(kinds.table(kind)) for kind in kinds.data},
        stems=employers.texts("stems"),
        schools=_schools(education),
        degrees=_nested(education.table("degrees")),
        phrases=_read(common / "phrases.toml").data,
        questions=_questions(_read(common / "queries.toml")),
        asides={language: _read(common / "asides.toml").table(language).texts("said") for language in LANGUAGES},
        dirt=_by_key(_read(common / "dirt.toml")),
    )
    _check_whole(taxonomy)
    return taxonomy


def load_demo_questions(root: Path = ROOT) -> tuple[DemoQuestion, ...]:
    """The questions of the demo.

    Raises:
        TaxonomyError: the file is wrong, or a question names an unknown occupation.
    """
    known = {occupation.id for occupation in load_taxonomy(root).occupations}
    questions = []
    for table in _read(root / "demo_questions.toml").tables("question"):
        ids = table.texts("occupations")
        if not known.issuperset(ids):
            raise table.error("occupations", f"unknown: {', '.join(sorted(set(ids) - known))}")
        questions.append(DemoQuestion(table.text("text"), table.text("language"), ids))
    return tuple(questions)


def _read(path: Path) -> _Table:
    try:
        return _Table(path.name, "", tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise TaxonomyError(f"{path.name}: cannot be read: {error}.", f"Look at {path}.") from error


def _occupations(folder: Path, ladders: _Table, kinds: frozenset[str]) -> tuple[Occupation, ...]:
    found: list[Occupation] = []
    for path in sorted(folder.glob("*.toml")):
        file = _read(path)
        industry = file.text("industry")
        found.extend(_occupation(table, industry, ladders, kinds) for table in file.tables("occupation"))
    if not found:
        raise TaxonomyError(f"{folder.name}: holds no occupation.", "Put the industry files there.")
    return tuple(found)


def _occupation(table: _Table, industry: str, ladders: _Table, kinds: frozenset[str]) -> Occupation:
    if unknown := set(table.data) - _OCCUPATION_KEYS:
        raise table.error(min(unknown), "unknown key")
    bounded = {key: table.texts(key, *bounds) for key, bounds in _BOUNDS.items()}
    if unknown := set(bounded["employers"]) - kinds:
        raise table.error("employers", f"unknown kind {min(unknown)}")
    if table.text("study") not in STUDIES:
        raise table.error("study", f"one of {', '.join(STUDIES)}")
    return Occupation(
        id=table.text("id"),
        industry=industry,
        field=table.text("field"),
        study=table.text("study"),
        titles=_titles(table, ladders),
        also=table.texts("also") if "also" in table.data else (),
        skills=bounded["skills"],
        tools=bounded["tools"],
        tasks=bounded["tasks"],
        specialities=bounded["specialities"],
        employers=bounded["employers"],
        qualifications=table.texts("qualifications"),
        lay_needs=bounded["lay"],
        local=_local(table.table("local")),
    )


def _titles(table: _Table, ladders: _Table) -> dict[str, str]:
    ladder = ladders.table(table.text("ladder"))
    steps = table.table("steps").data if "steps" in table.data else {}
    if unknown := set(steps) - set(LEVELS):
        raise table.error("steps", f"unknown level {min(unknown)}")
    title, field = table.text("title"), table.text("field")
    patterns = {"mid": "{t}", **ladder.data, **steps}
    shown = field[0].upper() + field[1:]
    return {
        level: patterns[level].format(t=title, field=shown if patterns[level].startswith("{field}") else field)
        for level in LEVELS
        if level in patterns
    }


def _local(table: _Table) -> dict[str, LocalText]:
    texts = {}
    for language in LANGUAGES[1:]:
        title, phrases, needs = table.texts(language, 3, 3)
        texts[language] = LocalText(title, _split(phrases, ";"), _split(needs, "|"))
    return texts


def _split(text: str, mark: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(mark) if part.strip())


def _places(file: _Table) -> tuple[Place, ...]:
    return tuple(
        Place(city, t.text("country"), t.text("shown"), t.text("language"), t.texts("origins", repeats=True))
        for t in file.tables("place")
        for city in t.texts("cities")
    )


def _names(file: _Table) -> dict[str, Names]:
    tables = {origin: file.table(origin) for origin in file.data}
    return {origin: Names(t.texts("she"), t.texts("he"), t.texts("family")) for origin, t in tables.items()}


def _by_key(table: _Table) -> dict[str, tuple[str, ...]]:
    return {key: table.texts(key) for key in table.data}


def _nested(table: _Table) -> dict[str, dict[str, tuple[str, ...]]]:
    return {key: _by_key(table.table(key)) for key in table.data}


def _schools(education: _Table) -> dict[str, dict[str, tuple[str, ...]]]:
    return {"en": _by_key(education.table("schools")), **_nested(education.table("schools_local"))}


def _questions(file: _Table) -> dict[str, dict[str, tuple[str, ...]]]:
    patterns = {language: _by_key(file.table(language)) for language in LANGUAGES}
    for language, kinds in patterns.items():
        for kind, texts in patterns["en"].items():
            if len(kinds.get(kind, ())) != len(texts):
                raise file.table(language).error(kind, f"English has {len(texts)} patterns, each needs its counterpart")
    return patterns


def _check_whole(taxonomy: Taxonomy) -> None:
    """What no single file can show: ids are unique, origins and languages are known."""
    ids = [occupation.id for occupation in taxonomy.occupations]
    if twice := {i for i in ids if ids.count(i) > 1}:
        raise TaxonomyError(f"industries: id: {min(twice)} occurs twice.", "Give each occupation an id of its own.")
    for place in taxonomy.places:
        if unknown := set(place.origins) - set(taxonomy.names):
            message = f"places.toml: {place.city}: origins: unknown origin {min(unknown)}."
            raise TaxonomyError(message, "Take the origins from names.toml.")
        if place.language not in LANGUAGES:
            raise TaxonomyError(f"places.toml: {place.city}: language: unknown {place.language}.")
    for language in LANGUAGES:
        if language not in taxonomy.phrases:
            raise TaxonomyError(f"phrases.toml: {language}: no phrases in this language.")
