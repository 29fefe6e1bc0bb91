"""What one change, one profile and one question cost: what `kith plan` calculates with.

Kafka, registry, a Milvus server and kith's processes are started for it (`make bench-costs` installs the server).
Figures go to `benchmarks/results/unit_costs.json`, and from there to `kith/capacity/unit_costs.toml`.

Example: `python -m benchmarks.unit_costs`
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.environment import describe, measured_with
from benchmarks.installation import MODELS, ROOT
from benchmarks.record import FOLDER, keep
from benchmarks.unit_cost_file import RESULTS, write
from benchmarks.unit_costs_milvus import measure_rows, measure_segments
from benchmarks.unit_costs_stream import measure_stream
from distill.synthetic import synthetic_profiles
from kith import wiring
from kith.settings import Settings
from workers.render import render

_TEXTS, _PIECE = 2048, 256
VERSIONS = ("onnxruntime", "pymilvus", "faust-streaming", "confluent-kafka", "rocksdict")


def main() -> None:
    """Measure, print, keep, and write the file of the model anew."""
    options = _options()
    print(describe(*VERSIONS), flush=True)
    steps: dict[str, Callable[[Path], dict[str, object]]] = {
        "embedder": lambda _folder: _embedder(options.model),
        "stream": lambda folder: measure_stream(folder, options.milvus_server, options.model, options.people),
        "rows": lambda folder: measure_rows(folder, options.milvus_server, options.rows, options.rounds),
        "segments": lambda folder: measure_segments(folder, options.milvus_server, options.rounds),
    }
    figures = {name: kept for name, kept in _kept().items() if name in steps}
    for name in options.only or steps:
        with tempfile.TemporaryDirectory(prefix="kith-costs-") as folder:
            figures[name] = _measured() | steps[name](Path(folder))
        print(json.dumps(figures[name], indent=1), flush=True)
    keep(RESULTS, figures, VERSIONS, lambda axes: _draw(axes, figures))
    # `--only` on a new machine has not measured everything yet.
    if figures.keys() == steps.keys():
        write()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=6000, help="who is streamed")
    parser.add_argument("--rows", type=int, default=16_000, help="rows of the index that is measured by itself")
    parser.add_argument("--rounds", type=int, default=3, help="of its memory and searches")
    parser.add_argument("--milvus-server", type=Path, default=ROOT / ".milvus-server" / "bin" / "milvus-server")
    parser.add_argument("--model", default="student-v1")
    parser.add_argument(
        "--only", nargs="+", choices=["embedder", "stream", "rows", "segments"], help="what else was measured stays"
    )
    return parser.parse_args()


def _embedder(model: str) -> dict[str, object]:
    """The model alone on the texts that the stream brings, in the same minutes, for a machine's speed is not steady."""
    embedder = wiring.embedder(Settings(model_dir=MODELS / model))
    texts = [render(one.profile) for one in synthetic_profiles(_TEXTS, 3)]
    embedder.embed(texts[:_PIECE])
    began, used = time.monotonic(), time.process_time()
    for start in range(_PIECE, _TEXTS, _PIECE):
        embedder.embed(texts[start : start + _PIECE])
    done = _TEXTS - _PIECE
    return {
        "texts_per_s": round(done / (time.monotonic() - began), 1),
        "texts_per_cpu_s": round(done / (time.process_time() - used), 1),
    }


def _measured() -> dict[str, object]:
    """Beside the figures of a step, for the others may be of another day."""
    what = measured_with(*VERSIONS)
    return {"date": datetime.now(UTC).date().isoformat(), "machine": what["machine"], "command": what["command"]}


def _kept() -> dict[str, object]:
    file = FOLDER / f"{RESULTS}.json"
    return dict(json.loads(file.read_text())["figures"]) if file.is_file() else {}


def _draw(axes: Any, figures: dict[str, Any]) -> None:
    """CPU of one change and one question, by process."""
    stream = figures.get("stream", {})
    shown = {"change, new text": "new_text", "change of fields alone": "known_text", "question": "search"}
    left = dict.fromkeys(shown, 0.0)
    for part in ("indexer", "consumer", "Milvus", "broker", "registry"):
        widths = [1000 * stream[key]["cpu_s"].get(part, 0.0) if stream else 0.0 for key in shown.values()]
        axes.barh(list(shown), widths, left=list(left.values()), label=part)
        left = {name: left[name] + width for name, width in zip(shown, widths, strict=True)}
    axes.invert_yaxis()
    axes.set_xlabel("CPU ms")
    axes.legend()


if __name__ == "__main__":
    main()
