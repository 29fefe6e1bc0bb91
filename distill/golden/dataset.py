"""The golden set as what an evaluation takes in."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from distill.evaluation.dataset import Dataset, load_dataset
from distill.golden.authored import load_golden
from distill.golden.compile import compile_golden


def golden_dataset(split: str) -> Dataset:
    """A split, out of `distill.golden.compile.SPLITS`."""
    with TemporaryDirectory() as folder:
        compile_golden(load_golden(), Path(folder))
        return load_dataset(Path(folder) / split)
