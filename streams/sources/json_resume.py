"""JSON Resume documents (https://jsonresume.org/schema) to profile changes.

What our contract has no place for (projects, awards, references, contact data) is ignored, as are fields unknown to
both. The identity has to be in the document: an e-mail address is none, because it changes and its hash is still
personal data.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from io import BufferedReader
from typing import Any

from kith.errors import InputError
from schemas.records import Education, Operation, Position, Profile, ProfileChange
from streams.sources.items import Parsed, Rejection, Stamps
from streams.sources.json_documents import kind_of, parse_object, read_documents
from streams.sources.languages import language_code
from streams.sources.own_fields import milliseconds
from streams.sources.raw_lines import MAX_LINE_BYTES

ID_FIELDS = ("basics.id", "meta.id", "id")

_DAY = re.compile(r"([0-9]{4}-[0-9]{2})-[0-9]{2}")


def read_json_resume(
    stream: BufferedReader, stamps: Stamps, id_field: str | None = None, max_bytes: int = MAX_LINE_BYTES
) -> Iterator[Parsed | Rejection]:
    """Every document of the file, in its order.

    Args:
        id_field: dotted path of the identity; without it, the first of `ID_FIELDS` that the document has.
    """
    id_fields = (id_field,) if id_field else ID_FIELDS
    for line in read_documents(stream, max_bytes):
        if isinstance(line, Rejection):
            yield line
            continue
        try:
            change, left_out = change_from_resume(parse_object(line), stamps, id_fields)
            yield Parsed(line.number, change, line.data, line.read_bytes, left_out)
        except InputError as error:
            yield Rejection(line.number, str(error), line.data, line.read_bytes)


def change_from_resume(
    document: dict[str, Any], stamps: Stamps, id_fields: tuple[str, ...] = ID_FIELDS
) -> tuple[ProfileChange, tuple[str, ...]]:
    """The change that a document means, and the paths of languages that have no known code.

    `occurred_at` is `meta.lastModified` (UTC where it names no zone), else now.

    Raises:
        InputError: no identity, no name, or a field of the wrong type.
    """
    resume = _Node(document, "")
    profile_id = _identity(resume, id_fields)
    basics, place = resume.child("basics"), resume.child("basics").child("location")
    languages, left_out = _languages(resume)
    country = place.text("countryCode")
    profile = Profile(
        name=basics.needed_text("name"),
        headline=basics.text("label"),
        summary=basics.text("summary"),
        location=", ".join(x for x in (place.text("city"), place.text("region")) if x) or None,
        country=country.upper() if country else None,
        skills=_skills(resume),
        languages=languages,
        positions=[_position(work) for work in resume.children("work")],
        education=[_education(school) for school in resume.children("education")],
    )
    modified = _modified(resume.child("meta"))
    change = ProfileChange(
        profile_id=profile_id,
        version=stamps.version(profile_id),
        occurred_at=stamps.occurred_at() if modified is None else modified,
        operation=Operation.UPSERT,
        profile=profile,
    )
    return change, left_out


class _Node:
    """An object of the document that knows its path."""

    def __init__(self, data: dict[str, Any], path: str) -> None:
        self._data = data
        self._path = path

    def child(self, name: str) -> _Node:
        return _Node(self._typed(name, dict, "an object") or {}, f"{self._path}{name}.")

    def children(self, name: str) -> list[_Node]:
        found = []
        for i, item in enumerate(self._typed(name, list, "a list") or []):
            path = f"{self._path}{name}[{i}]"
            if not isinstance(item, dict):
                raise InputError(f"{path}: {kind_of(item)} where an object is expected.", "Correct this record.")
            found.append(_Node(item, f"{path}."))
        return found

    def text(self, name: str) -> str | None:
        found = self._typed(name, str, "text")
        return found.strip() or None if found else None

    def needed_text(self, name: str) -> str:
        found = self.text(name)
        if found is None:
            raise InputError(f"{self._path}{name}: missing.", "Every profile shows a name.")
        return found

    def texts(self, name: str) -> list[str]:
        found = []
        for i, item in enumerate(self._typed(name, list, "a list") or []):
            if not isinstance(item, str):
                raise InputError(
                    f"{self._path}{name}[{i}]: {kind_of(item)} where text is expected.", "Correct this record."
                )
            found.append(item.strip())
        return [item for item in found if item]

    def month(self, name: str) -> str | None:
        """A date without its day: our contract has YYYY and YYYY-MM."""
        found = self.text(name)
        day = _DAY.fullmatch(found) if found else None
        return day.group(1) if day else found

    def at(self, dotted: str) -> object:
        found: object = self._data
        for name in dotted.split("."):
            found = found.get(name) if isinstance(found, dict) else None
        return found

    def path(self, name: str) -> str:
        return self._path + name

    def _typed(self, name: str, kind: type, expected: str) -> Any:
        value = self._data.get(name)
        if value is not None and not isinstance(value, kind):
            raise InputError(
                f"{self._path}{name}: {kind_of(value)} where {expected} is expected.", "Correct this record."
            )
        return value


def _identity(resume: _Node, id_fields: tuple[str, ...]) -> str:
    for path in id_fields:
        value = resume.at(path)
        if isinstance(value, str) and value.strip():
            return value.strip()
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
    looked_in = " or ".join(id_fields)
    raise InputError(f"No identity in {looked_in}.", "Add one, or name the field that has it with --id-field.")


def _position(work: _Node) -> Position:
    lines = [work.text("summary") or "", *work.texts("highlights")]
    return Position(
        title=work.text("position") or "",
        company=work.text("name") or work.text("company"),
        location=work.text("location"),
        start=work.month("startDate"),
        end=work.month("endDate"),
        description="\n".join(line for line in lines if line) or None,
    )


def _education(school: _Node) -> Education:
    return Education(
        school=school.text("institution") or "",
        degree=school.text("studyType"),
        field=school.text("area"),
        start=school.month("startDate"),
        end=school.month("endDate"),
    )


def _skills(resume: _Node) -> list[str]:
    found: dict[str, None] = {}
    for skill in resume.children("skills"):
        name = skill.text("name")
        found.update(dict.fromkeys([name] if name else []))
        found.update(dict.fromkeys(skill.texts("keywords")))
    return list(found)


def _languages(resume: _Node) -> tuple[list[str], tuple[str, ...]]:
    codes: dict[str, None] = {}
    left_out = []
    for language in resume.children("languages"):
        name = language.text("language")
        code = language_code(name) if name else None
        if code:
            codes[code] = None
        elif name:
            left_out.append(language.path("language"))
    return list(codes), tuple(left_out)


def _modified(meta: _Node) -> int | None:
    value = meta.text("lastModified")
    if value is None:
        return None
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        raise InputError(
            f"{meta.path('lastModified')}: not a time.", "Give for example 2026-03-31T08:15:00Z, or leave it out."
        ) from None
    return milliseconds(found if found.tzinfo else found.replace(tzinfo=UTC))
