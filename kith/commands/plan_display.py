"""A plan for people, for documents and for scripts."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import groupby

from kith.capacity.plan import Plan
from kith.capacity.sheet import Line, Origin, Resource
from kith.errors import InputError

_PREFIXES = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
_STEP, _EXACT, _SMALL = 1024, 1000, 0.001
_NAME = re.compile(r"[a-z_]\w*")


def shown(value: float, unit: str) -> str:
    """A value with its unit: three digits, or all of them where they are whole numbers."""
    if unit in {"B", "B/s"}:
        step = 0
        while abs(value) >= _STEP and step < len(_PREFIXES) - 1:
            value, step = value / _STEP, step + 1
        return f"{_digits(value)} {_PREFIXES[step]}{unit.removeprefix('B')}"
    return f"{_digits(value)} {unit}".rstrip()


def _digits(value: float) -> str:
    if value == int(value) or abs(value) >= _EXACT:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) >= _SMALL else f"{value:.2e}"


def with_numbers(line: Line) -> str:
    """The formula of a line with a number in the place of each name."""
    return _NAME.sub(
        lambda found: _plain(line.inputs[found[0]]) if found[0] in line.inputs else found[0], line.formula.formula
    )


def _plain(value: float) -> str:
    return f"{value:.6g}"


def chosen(plan: Plan, headings: Sequence[str] | None) -> list[str]:
    """The sections to show; none for all, with what belongs to the plan as a whole.

    Raises:
        kith.errors.InputError: the plan has no such section.
    """
    there = list(dict.fromkeys(line.section for line in plan.sheet.lines.values()))
    for heading in headings or ():
        if heading not in there:
            raise InputError(f"The plan has no section {heading!r}.", f"It has {', '.join(there)}.")
    return list(headings or ())


def as_text(plan: Plan, sections: Sequence[str] = ()) -> str:
    """Every line with its arithmetic, what drives the costs, and what it rests on; or only such sections."""
    whole = () if sections else (*_text_drivers(plan), *_text_known(plan), *_text_notes(plan))
    return "\n".join([*_text_lines(plan, sections), *whole])


def _text_lines(plan: Plan, sections: Sequence[str]) -> Iterator[str]:
    for section, lines in _by_section(plan, sections):
        yield f"{section}"
        for line in lines:
            yield f"  {line.formula.name:26} {shown(line.value, line.formula.unit):>14}   {line.formula.what}"
            yield f"      = {line.formula.formula}"
            yield f"      = {with_numbers(line)}"


def _text_drivers(plan: Plan) -> Iterator[str]:
    yield "What drives the costs"
    for resource in Resource:
        yield f"  {resource}: {_driven(plan, resource)}"


def _text_known(plan: Plan) -> Iterator[str]:
    for origin in (Origin.GIVEN, Origin.ASSUMED, Origin.DECLARED, Origin.MEASURED):
        known = [one for one in plan.sheet.used() if one.origin is origin]
        if known:
            yield origin.capitalize()
        for one in known:
            yield f"  {one.name:30} {shown(one.value, one.unit):>14}   {one.what} ({one.source})"


def _text_notes(plan: Plan) -> Iterator[str]:
    if plan.left_out:
        yield "Not in it"
        yield from (f"  {one}" for one in plan.left_out)
    for one in plan.warnings:
        yield f"Warning: {one}"


def as_markdown(plan: Plan, sections: Sequence[str] = ()) -> str:
    """The same as tables for a document."""
    rows = ["| line | result | arithmetic |", "|---|---|---|"]
    for section, lines in _by_section(plan, sections):
        rows.append(f"| **{section}** | | |")
        for line in lines:
            result = f"{line.formula.what}: **{shown(line.value, line.formula.unit)}**"
            rows.append(f"| `{line.formula.name}` | {result} | `{line.formula.formula}` = `{with_numbers(line)}` |")
    return "\n".join(rows if sections else [*rows, *_markdown_rest(plan)])


def _markdown_rest(plan: Plan) -> Iterator[str]:
    yield from ("", "| cost | driven by |", "|---|---|")
    yield from (f"| {resource} | {_driven(plan, resource)} |" for resource in Resource)
    assumed = [one for one in plan.sheet.used() if one.origin is Origin.ASSUMED]
    told = "; ".join(f"{one.what}: {shown(one.value, one.unit)} (`{one.source}`)" for one in assumed)
    yield from ("", f"Assumed: {told}.")
    for title, notes in (("Not in it", plan.left_out), ("Against it", plan.warnings)):
        if notes:
            yield from ("", f"{title}: {' '.join(notes)}")


def as_mapping(plan: Plan) -> dict[str, object]:
    """For JSON."""
    return {
        "lines": [
            {
                "section": line.section,
                "name": line.formula.name,
                "what": line.formula.what,
                "value": line.value,
                "unit": line.formula.unit,
                "formula": line.formula.formula,
                "inputs": line.inputs,
                "counted_as": line.formula.resource,
            }
            for line in plan.sheet.lines.values()
        ],
        "known": [asdict(one) for one in plan.sheet.used()],
        "drivers": {str(resource): dict(plan.drivers(resource)) for resource in Resource},
        "left_out": list(plan.left_out),
        "warnings": list(plan.warnings),
    }


def _by_section(plan: Plan, wanted: Sequence[str]) -> Iterator[tuple[str, Sequence[Line]]]:
    for section, lines in groupby(plan.sheet.lines.values(), lambda line: line.section):
        if not wanted or section in wanted:
            yield section, list(lines)


def _driven(plan: Plan, resource: Resource) -> str:
    parts = ", ".join(f"{name} {share:.0%}" for name, share in plan.drivers(resource))
    unit = "cores" if resource is Resource.CORES else "B"
    return f"{shown(plan.total(resource), unit)}: {parts}"
