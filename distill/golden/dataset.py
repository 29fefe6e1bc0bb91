"""The golden set as what an evaluation takes in."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from distill.evaluation.dataset import Dataset, load_dataset
from distill.golden.authored import load_golden
from distill.golden.compile import compile_golden
from workers.render import RENDERER_ID, renderer


def golden_dataset(split: str, renderer_id: str = RENDERER_ID) -> Dataset:
    """A split, out of `distill.golden.compile.SPLITS`, with people as a renderer writes them.

    Raises:
        kith.errors.ReleaseError: there is no such renderer.
    """
    with TemporaryDirectory() as folder:
        compile_golden(load_golden(), Path(folder), renderer(renderer_id))
        return load_dataset(Path(folder) / split)
