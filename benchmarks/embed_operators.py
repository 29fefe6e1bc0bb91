"""Where a model run's time goes, operator by operator, by ONNX Runtime's own profiler."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

from workers.packing import pack
from workers.providers import CPU, PROVIDERS, SLOWER_FUSIONS, session_options
from workers.release import Release

# Long runs: what the profiler itself takes is the same for each operator of a run.
_RUNS, TOKENS = 5, 512


def shares_by_operator(release: Release, texts: Sequence[str]) -> dict[str, float]:
    """Share of the model's time on one core of each operator, greatest first; the rest is between them."""
    with TemporaryDirectory(prefix="kith-operators-") as folder:
        events = _profiled(release, texts, Path(folder))
    whole = sum(event["dur"] for event in events if event["name"] == "model_run")
    taken: Counter[str] = Counter()
    for event in events:
        if event["cat"] == "Node" and event["name"].endswith("_kernel_time"):
            taken[event["args"]["op_name"]] += event["dur"]
    shares = {operator: microseconds / whole for operator, microseconds in taken.most_common()}
    return shares | {"between operators, and the profiler": 1 - sum(shares.values())}


def _profiled(release: Release, texts: Sequence[str], folder: Path) -> list[dict[str, Any]]:
    options = session_options()
    options.enable_profiling = True
    options.profile_file_prefix = str(folder / "run")
    session = onnxruntime.InferenceSession(
        str(release.model_file()), options, providers=list(PROVIDERS[CPU]), disabled_optimizers=SLOWER_FUSIONS
    )
    tokenizer = Tokenizer.from_file(str(release.tokenizer_file))
    tokenizer.enable_truncation(release.manifest.max_tokens)
    encoded = tokenizer.encode_batch_fast(list(texts))
    for group in list(pack([len(one) for one in encoded], TOKENS)) * _RUNS:
        longest = len(encoded[group[0]])
        rows = [encoded[index].ids + [0] * (longest - len(encoded[index])) for index in group]
        ids = np.array(rows, dtype=np.int64)
        mask = np.array([[1] * len(encoded[i]) + [0] * (longest - len(encoded[i])) for i in group], dtype=np.int64)
        session.run(None, {"input_ids": ids, "attention_mask": mask})
    events: list[dict[str, Any]] = json.loads(Path(session.end_profiling()).read_text())
    return events
