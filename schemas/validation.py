"""What a valid profile change is: one set of rules, for the producer before it sends and the indexer after it decodes.

A message names the field and what is wrong with it, never the profile's text: it ends in logs and dead letters.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import fields

from kith.errors import InputError
from schemas.records import Education, Operation, Position, Profile, ProfileChange
from schemas.rollouts import SearchFeedback

SENIORITIES = ("intern", "junior", "mid", "senior", "lead", "director", "executive")

MAX_VERSION = 2**63 - 1
# The last millisecond of the year 9999: no calendar shows more, and microseconds given by mistake lie above it.
MAX_OCCURRED_AT = 253_402_300_799_999

# Characters. A long text meets the limit on the encoded record first, unless that limit was raised.
MAX_PROFILE_ID_CHARS = 128
MAX_LINE_CHARS = 500
MAX_LONG_TEXT_CHARS = 2_000_000

# Items.
MAX_SKILLS = 500
MAX_LANGUAGES = 50
MAX_POSITIONS = 200
MAX_EDUCATION = 100

_PROFILE_ID = re.compile(rf"[A-Za-z0-9._:-]{{1,{MAX_PROFILE_ID_CHARS}}}")
_NOT_IN_ID = re.compile(r"[^A-Za-z0-9._:-]")
_COUNTRY = re.compile(r"[A-Z]{2}")
_LANGUAGE = re.compile(r"[a-z]{2}")
_VISIBILITY = re.compile(r"[a-z0-9_-]{1,32}")
_DATE = re.compile(r"[0-9]{4}(-(0[1-9]|1[0-2]))?")
_NOT_IN_LINE = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")
_NOT_IN_LONG_TEXT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
_INVISIBLE = frozenset({"Cc", "Cf", "Zl", "Zp", "Zs"})

_PROFILE_LINES = ("name", "headline", "location", "industry")
_POSITION_LINES = ("title", "company", "industry", "location")
_EDUCATION_LINES = ("school", "degree", "field")
_LISTS = (
    ("skills", MAX_SKILLS),
    ("languages", MAX_LANGUAGES),
    ("positions", MAX_POSITIONS),
    ("education", MAX_EDUCATION),
)


def validate_change(change: ProfileChange) -> None:
    """Check a change against every rule but the size of the encoded record.

    Raises:
        InputError: the path of the first wrong field, what is wrong with it, and what to do.
    """
    validate_profile_id(change.profile_id)
    _number("version", change.version, 0, MAX_VERSION, "Give the source's LSN or update sequence.")
    _number("occurred_at", change.occurred_at, 1, MAX_OCCURRED_AT, "Give milliseconds since the epoch, UTC.")
    if change.source is not None:
        _line(change.source, "source")
    if change.operation in (Operation.DELETE, Operation.REINDEX):
        if change.profile is not None:
            raise InputError(
                f"profile: a {change.operation} carries none.", "Leave the profile out, or send an UPSERT."
            )
    elif change.profile is None:
        raise InputError(f"profile: missing, and an {change.operation} carries one.", "Add it, or send a DELETE.")
    else:
        validate_profile(change.profile)
    _validate_patch(change)


def _validate_patch(change: ProfileChange) -> None:
    """A patch, and only a patch, names the fields that it carries."""
    if (change.operation is Operation.PATCH) != (change.changed is not None):
        raise InputError(
            f"changed: does not go with operation {change.operation}.", "Give it with PATCH, and only there."
        )
    if change.changed is None:
        return
    known = {field.name for field in fields(Profile)}
    if unknown := set(change.changed) - known:
        raise InputError(
            f"changed: {min(unknown)} is no field of a profile.", f"It may name {', '.join(sorted(known))}."
        )
    if not change.changed:
        raise InputError("changed: names no field.", "Name the fields that the patch carries.")


def validate_profile_id(profile_id: str) -> None:
    """Check an identity: 1 to 128 of `A-Z a-z 0-9 . _ : -`.

    Raises:
        InputError: it is not one.
    """
    _id("profile_id", profile_id)


def validate_feedback(told: SearchFeedback) -> None:
    """Check feedback: the ids that it names have the form of ids.

    Raises:
        InputError: the first wrong field, what is wrong with it, and what to do.
    """
    _id("request_id", told.request_id)
    _id("profile_id", told.profile_id)
    _id("model", told.model)
    _number("occurred_at", told.occurred_at, 1, MAX_OCCURRED_AT, "Give milliseconds since the epoch, UTC.")


def validate_profile(profile: Profile) -> None:
    """Check a profile: every text, list, code and date in it.

    Raises:
        InputError: the path of the first wrong field, what is wrong with it, and what to do.
    """
    for name, limit in _LISTS:
        _count(name, getattr(profile, name), limit)
    if not _plain_texts(profile):
        _validate_texts(profile)
    _code(profile.country, _COUNTRY, "Give two upper-case letters (ISO 3166-1 alpha-2), for example FR.", "country")
    if profile.seniority is not None and profile.seniority not in SENIORITIES:
        raise InputError("seniority: not one of the seven levels.", f"Give one of {', '.join(SENIORITIES)}.")
    _code(profile.visibility, _VISIBILITY, "Give 1 to 32 of a-z 0-9 _ -, or leave it out for everybody.", "visibility")
    for i, language in enumerate(profile.languages):
        _code(language, _LANGUAGE, "Give two lower-case letters (ISO 639-1), for example fr.", "languages", i)
    for i, position in enumerate(profile.positions):
        _dates(position, "positions", i)
    for i, education in enumerate(profile.education):
        _dates(education, "education", i)


def _plain_texts(profile: Profile) -> bool:
    """Whether a look at all texts of a profile together shows that `_validate_texts` refuses none; it nearly always is.

    What can be printed is in a line's letters and has neither control characters nor lone surrogates, and a name of
    letters that can be printed is visible unless it is blank.
    """
    lines = [profile.name, profile.headline, profile.location, profile.industry, *profile.skills]
    long_texts = [profile.summary]
    for position in profile.positions:
        lines += position.title, position.company, position.industry, position.location
        long_texts.append(position.description)
    for education in profile.education:
        lines += education.school, education.degree, education.field
    given, long_text = list(filter(None, lines)), "".join(filter(None, long_texts))
    return (
        len(max(given, key=len, default="")) <= MAX_LINE_CHARS
        and len(long_text) <= MAX_LONG_TEXT_CHARS
        and "".join(given).isprintable()
        and long_text.isprintable()
        and profile.name.strip() != ""
    )


def _validate_texts(profile: Profile) -> None:
    for name in _PROFILE_LINES:
        _line(getattr(profile, name), name)
    if all(unicodedata.category(character) in _INVISIBLE for character in profile.name):
        raise InputError("name: blank.", "Every profile shows a name; give one, or send a DELETE.")
    _long_text(profile.summary, "summary")
    for i, skill in enumerate(profile.skills):
        _line(skill, "skills", i)
    for i, position in enumerate(profile.positions):
        _entry_lines(position, _POSITION_LINES, "positions", i)
        _long_text(position.description, "positions", i, "description")
    for i, education in enumerate(profile.education):
        _entry_lines(education, _EDUCATION_LINES, "education", i)


def validate_size(change: ProfileChange, encoded_bytes: int, max_record_bytes: int) -> None:
    """Check the size of the encoded record against the setting `max_record_bytes`.

    Raises:
        InputError: it is larger; the message names both sizes, the longest field and the setting.
    """
    if encoded_bytes <= max_record_bytes:
        return
    path, chars = longest_text(change)
    raise InputError(
        f"{encoded_bytes:,} bytes encoded are more than the {max_record_bytes:,} of max_record_bytes; "
        f"the longest field is {path} ({chars:,} characters).",
        "Shorten it, or raise KITH_MAX_RECORD_BYTES and the topic's max.message.bytes.",
    )


def longest_text(change: ProfileChange) -> tuple[str, int]:
    """Path and length (characters) of the longest text of a change; the first of equals."""
    return max(_texts(change), key=lambda found: found[1])


def _texts(change: ProfileChange) -> Iterator[tuple[str, int]]:
    yield "profile_id", len(change.profile_id)
    profile = change.profile
    if profile is None:
        return
    for name in (*_PROFILE_LINES, "summary"):
        yield name, len(getattr(profile, name) or "")
    for i, skill in enumerate(profile.skills):
        yield f"skills[{i}]", len(skill)
    for i, position in enumerate(profile.positions):
        for name in (*_POSITION_LINES, "description"):
            yield f"positions[{i}].{name}", len(getattr(position, name) or "")
    for i, education in enumerate(profile.education):
        for name in _EDUCATION_LINES:
            yield f"education[{i}].{name}", len(getattr(education, name) or "")


def _id(path: str, text: str) -> None:
    if _PROFILE_ID.fullmatch(text):
        return
    hint = "Use 1 to 128 of A-Z a-z 0-9 . _ : -"
    if not text:
        raise InputError(f"{path}: empty.", hint)
    if found := _NOT_IN_ID.search(text):
        raise InputError(f"{path}: {_character(found)}.", hint)
    raise InputError(f"{path}: {len(text)} characters.", hint)


def _entry_lines(entry: Position | Education, lines: Sequence[str], of: str, i: int) -> None:
    for name in lines:
        _line(getattr(entry, name), of, i, name)


def _dates(entry: Position | Education, of: str, i: int) -> None:
    for name in ("start", "end"):
        if (date := getattr(entry, name)) is not None:
            _code(date, _DATE, "Give YYYY or YYYY-MM.", of, i, name)


def _line(text: str | None, *path: str | int) -> None:
    if text and (_NOT_IN_LINE.search(text) or len(text) > MAX_LINE_CHARS):
        raise _refused_text(text, _NOT_IN_LINE, MAX_LINE_CHARS, path)


def _long_text(text: str | None, *path: str | int) -> None:
    if text and (_NOT_IN_LONG_TEXT.search(text) or len(text) > MAX_LONG_TEXT_CHARS):
        raise _refused_text(text, _NOT_IN_LONG_TEXT, MAX_LONG_TEXT_CHARS, path)


def _refused_text(text: str, refused: re.Pattern[str], limit: int, path: Sequence[str | int]) -> InputError:
    if found := refused.search(text):
        return InputError(f"{_named(path)}: {_character(found)}.", "Remove that character at the source.")
    return InputError(f"{_named(path)}: {len(text):,} characters, and at most {limit:,} are allowed.", "Shorten it.")


def _named(path: Sequence[str | int]) -> str:
    """A path as a message names it: `positions[0].title`. Made for what is refused only."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).removeprefix(".")


def _count(path: str, items: Sequence[object], limit: int) -> None:
    if len(items) > limit:
        raise InputError(f"{path}: {len(items):,} items, and at most {limit:,} are allowed.", "Leave some out.")


def _code(value: str | None, allowed: re.Pattern[str], hint: str, *path: str | int) -> None:
    if value is not None and not allowed.fullmatch(value):
        raise InputError(f"{_named(path)}: not in the form that is asked for.", hint)


def _number(path: str, value: int, least: int, most: int, hint: str) -> None:
    if not least <= value <= most:
        raise InputError(f"{path}: {value} is not between {least} and {most}.", hint)


def _character(found: re.Match[str]) -> str:
    """What a refused character is and where, counted from 1. Its number names it; nothing around it is shown."""
    character = found.group()
    kinds = {"Cs": "lone surrogate", "Cc": "control character"}
    kind = kinds.get(unicodedata.category(character), "not allowed here:")
    return f"{kind} U+{ord(character):04X} at character {found.start() + 1}"
