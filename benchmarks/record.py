"""Where a measurement is kept: figures as JSON, and a plot beside them, in `benchmarks/results/`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.environment import measured_with

FOLDER = Path(__file__).resolve().parent / "results"
_INCHES = (8.0, 4.5)


def keep(
    name: str, figures: Mapping[str, object], distributions: tuple[str, ...], draw: Callable[[Any], None] | None = None
) -> Path:
    """Write `<name>.json`, and `<name>.svg` where there is something to draw.

    Args:
        figures: what was measured, units in the names; JSON takes it.
        distributions: whose versions matter.
        draw: draws on matplotlib's `Axes`; None for a measurement without a plot.

    Returns:
        The JSON file.
    """
    FOLDER.mkdir(exist_ok=True)
    file = FOLDER / f"{name}.json"
    kept = {"measured_on": datetime.now(UTC).date().isoformat(), **measured_with(*distributions), "figures": figures}
    file.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n")
    if draw is not None:
        _plot(FOLDER / f"{name}.svg", draw)
    return file


def _plot(file: Path, draw: Callable[[Any], None]) -> None:
    import matplotlib as mpl
    from matplotlib.figure import Figure

    # The same figures give the same bytes.
    with mpl.rc_context({"svg.hashsalt": file.stem, "axes.grid": True, "grid.alpha": 0.3}):
        figure = Figure(_INCHES, layout="constrained")
        draw(figure.subplots())
        figure.savefig(file, metadata={"Date": None})
