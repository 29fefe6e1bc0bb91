"""What is known of a rollout, for people and scripts."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from kith.errors import KithError
from schemas.records import to_avro
from schemas.rollouts import Rollout, RolloutPhase

if TYPE_CHECKING:
    from kith.wiring_rollout import Opened


def report(at: Opened, rollout: Rollout) -> dict[str, Any]:
    """The rollout, both models, and what was observed since its shares were changed last.

    Raises:
        kith.errors.Unavailable: Kafka or Milvus does not answer.
    """
    from kith import wiring_rollout

    live = wiring_rollout.live(at.settings, at.held)
    models = {
        role: {"model": model, "live": model == live, **_model(at, model)}
        for role, model in (("candidate", rollout.candidate), ("baseline", rollout.baseline))
        if model != rollout.retired
    }
    observed = wiring_rollout.observed(at, rollout)
    return {"rollout": to_avro(rollout), "live": live, "models": models, "observed": observed.figures()}


def show(found: dict[str, Any]) -> None:
    """The same as tables."""
    from rich.console import Console
    from rich.table import Table

    console, rollout = Console(), found["rollout"]
    since = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(rollout["changed_at"] / 1000))
    console.print(f"{rollout['candidate']} after {rollout['baseline']}: {rollout['phase']} since {since}", markup=False)
    if rollout["reason"]:
        console.print(f"because of {rollout['reason']}", markup=False)
    if rollout["phase"] in {RolloutPhase.SHADOW, RolloutPhase.RAMP}:
        console.print(
            f"answers {rollout['ramp_percent']} % of the requesters; {rollout['shadow_percent']} % of the questions "
            "are compared"
        )
    table = Table("", "model", "live", "profiles", "records waiting")
    for role, one in found["models"].items():
        waiting = "not known" if one["waiting"] is None else f"{one['waiting']:,}"
        profiles = "not known" if one["profiles"] is None else f"{one['profiles']:,}"
        table.add_row(role, one["model"], "yes" if one["live"] else "", profiles, waiting)
    console.print(table)
    figures = Table("measured", "value")
    for name, value in (*rollout["figures"].items(), *found["observed"].items()):
        figures.add_row(name.replace("_", " "), f"{value:,.4g}")
    console.print(figures)


def _model(at: Opened, model: str) -> dict[str, Any]:
    from kith import wiring_rollout

    try:
        profiles: int | None = wiring_rollout.profiles(at, model)
    except KithError:
        profiles = None
    return {"profiles": profiles, "waiting": wiring_rollout.lags(wiring_rollout.of_release(at.settings, model))}
