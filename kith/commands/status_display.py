"""What an installation is doing, for people and scripts."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.table import Table

    from kith.wiring_status import InstallationStatus
    from streams.group_status import GroupStatus

_UNKNOWN = "not known"


def as_json(found: InstallationStatus) -> dict[str, Any]:
    """The same as JSON has it; null is what is not known, and `not_known` says why."""
    return asdict(found)


def show(found: InstallationStatus) -> None:
    """As tables, and a line for each thing that is not known."""
    from rich.console import Console

    console = Console()
    if found.live is not None and (found.live.profiles, found.live.indexers) != (None, None):
        console.print(_models(found))
    if found.searching is not None or found.outcomes is not None:
        console.print(_figures(found))
    for name, why in found.not_known.items():
        console.print(f"{name}: not known: {why}", markup=False, highlight=False)


def _models(found: InstallationStatus) -> Table:
    from rich.table import Table

    roles = {"live" if found.live_is_known else "configured": found.live, _role(found): found.candidate}
    held = {role: one for role, one in roles.items() if one is not None}
    table = Table("", *held)
    table.add_row("model", *(one.model for one in held.values()))
    table.add_row("collection", *(one.collection for one in held.values()))
    table.add_row("profiles", *(_number(one.profiles) for one in held.values()))
    groups = zip(*(_group(one.indexers) for one in held.values()), strict=True)
    for name, figures in zip(("indexers", "records waiting", "records/s"), groups, strict=True):
        table.add_row(name, *figures)
    return table


def _figures(found: InstallationStatus) -> Table:
    from rich.table import Table

    table = Table("", "now")
    table.add_row("live freshness, p95", _milliseconds(found))
    table.add_row("outcomes of the last minute", _outcomes(found))
    for name, figure in zip(
        ("query consumers", "requests in hand", "requests/s"), _group(found.searching), strict=True
    ):
        table.add_row(name, figure)
    return table


def _role(found: InstallationStatus) -> str:
    return "beside it" if found.phase is None else f"beside it: {found.phase.lower().replace('_', ' ')}"


def _number(value: int | None) -> str:
    return _UNKNOWN if value is None else f"{value:,}"


def _group(one: GroupStatus | None) -> tuple[str, str, str]:
    """Members, what waits, and the rate."""
    if one is None:
        return _UNKNOWN, _UNKNOWN, _UNKNOWN
    return str(one.members), f"{sum(one.waiting.values()):,}", f"{one.records_per_s:,.1f}"


def _milliseconds(found: InstallationStatus) -> str:
    if found.freshness_p95_ms is not None:
        return f"{found.freshness_p95_ms:,.0f} ms"
    return _UNKNOWN if found.outcomes is None else "no live change was indexed within the last minute"


def _outcomes(found: InstallationStatus) -> str:
    if found.outcomes is None:
        return _UNKNOWN
    told = [f"{outcome.value} {count:,}" for outcome, count in found.outcomes.items() if count]
    return ", ".join(told) or "none"
