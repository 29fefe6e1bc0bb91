"""A release like another one, with noise added to its weights: what a rollout has to stop."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

from kith.settings import DEFAULT_MODEL_DIR
from workers.release import MANIFEST, MODEL_INT8, file_entry


def write(models: Path, name: str, noise: float, seed: int = 1) -> Path:
    """Copy the default release under another name; `noise`: standard deviation, in steps of its int8 weights."""
    folder = models / name
    shutil.copytree(DEFAULT_MODEL_DIR, folder)
    if noise:
        _add_noise(folder / MODEL_INT8, noise, np.random.default_rng(seed))
    manifest = json.loads((folder / MANIFEST).read_text())
    manifest["name"] = name
    manifest["files"] = {file: file_entry(folder / file).model_dump() for file in manifest["files"]}
    (folder / MANIFEST).write_text(json.dumps(manifest))
    return folder


def _add_noise(path: Path, noise: float, chance: np.random.Generator) -> None:
    model = onnx.load(str(path))
    for weights in model.graph.initializer:
        values = numpy_helper.to_array(weights)
        if values.dtype == np.int8 and values.ndim == 2:
            noisy = np.clip(values + chance.normal(0, noise, values.shape), -127, 127).astype(np.int8)
            weights.CopyFrom(numpy_helper.from_array(noisy, weights.name))
    onnx.save(model, str(path))
