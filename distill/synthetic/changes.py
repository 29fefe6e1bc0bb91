"""A stream of changes to synthetic profiles, as a source of profiles would send it after the first load."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from distill.synthetic.career import Person, draw_company, month_before_now, next_level, title_at
from distill.synthetic.draws import Draw
from distill.synthetic.grammar import capital, gerund
from distill.synthetic.profiles import SyntheticProfile, draw_profile
from distill.taxonomy import Taxonomy, load_taxonomy
from schemas.records import Position, Profile

EDIT, MOVE_JOB, NEW, DELETE = "edit", "move_job", "new", "delete"

_WEIGHTS = {EDIT: 0.5, MOVE_JOB: 0.25, NEW: 0.15, DELETE: 0.1}
_PROMOTED = 0.4


@dataclass(frozen=True, slots=True)
class SyntheticChange:
    """One change. `kind`: edit, move_job, new or delete; `profile`: the whole profile after it, None for a delete."""

    kind: str
    profile_id: str
    profile: Profile | None


def synthetic_changes(profiles: Sequence[SyntheticProfile], count: int, seed: int) -> Iterator[SyntheticChange]:
    """So many changes, each built on the ones before it: nothing deleted changes again.

    New ids are `newcomer-<seed>-<n>`.
    """
    taxonomy = load_taxonomy()
    draw = Draw(f"changes:{seed}")
    live = list(profiles)
    for number in range(count):
        kind = draw.weighted(_WEIGHTS) if live else NEW
        if kind == NEW:
            made = draw_profile(taxonomy, Draw(f"newcomer:{seed}:{number}"), f"newcomer-{seed}-{number:05d}")
            live.append(made)
            yield SyntheticChange(NEW, made.profile_id, made.profile)
            continue
        at = draw.below(len(live))
        if kind == DELETE:
            live[at], live[-1] = live[-1], live[at]
            yield SyntheticChange(DELETE, live.pop().profile_id, None)
            continue
        live[at] = replace(live[at], profile=(_edited if kind == EDIT else _moved)(draw, taxonomy, live[at]))
        yield SyntheticChange(kind, live[at].profile_id, live[at].profile)


def _edited(draw: Draw, taxonomy: Taxonomy, made: SyntheticProfile) -> Profile:
    """One more skill, one more sentence, or another headline; always something new."""
    occupation, profile = taxonomy.occupation(made.occupation_id), made.profile
    if unknown := [skill for skill in occupation.skills if skill not in profile.skills]:
        skill = draw.pick(unknown)
        if draw.chance(0.5):
            return replace(profile, skills=[*profile.skills, skill])
        return replace(profile, headline=f"{profile.headline or occupation.titles['mid']}, {skill}")
    said = capital(gerund(draw.pick(occupation.tasks)))
    return replace(profile, summary=f"{profile.summary or ''} {said}.".strip())


def _moved(draw: Draw, taxonomy: Taxonomy, made: SyntheticProfile) -> Profile:
    """The present job ends and another one begins, sometimes a level higher."""
    occupation, profile = taxonomy.occupation(made.occupation_id), made.profile
    level = profile.seniority or "mid"
    if draw.chance(_PROMOTED):
        level = next_level(occupation, level)
    here = [place for place in taxonomy.places if place.location == profile.location]
    place = here[0] if here else draw.pick(taxonomy.places)
    person = Person(taxonomy, occupation, place, made.language, level, 0)
    title = title_at(draw, person, level)
    now = month_before_now(0)
    past = [replace(p, end=p.end or now) for p in profile.positions]
    job = Position(title, draw_company(draw, person, place), occupation.industry, place.location, now)
    return replace(profile, headline=f"{title}, {job.company}", seniority=level, positions=[job, *past])
