"""What can be measured: BM25, an encoder folder, a release. Each scores every document for every query."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from kith.errors import InputError, MissingTool
from workers.embedding import OnnxEmbedder
from workers.providers import CPU
from workers.release import MANIFEST, load_release, read_manifest
from workers.render import RENDERER_ID

BM25 = "bm25"
DEPTH = 100

Ranking = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Run:
    """What a system found: by query id, score by document id, best `DEPTH`. `texts_per_s`: documents it took in."""

    system: str
    rankings: Mapping[str, Ranking]
    texts_per_s: float


class System(Protocol):
    """Something that ranks documents."""

    @property
    def name(self) -> str:
        """As it is shown."""
        ...

    def scores(self, documents: Sequence[str], queries: Sequence[str]) -> tuple[npt.NDArray[np.float32], float]:
        """float32 (queries, documents), higher is better, and the seconds spent on the documents."""
        ...


def load_system(given: str, threads: int = 0, provider: str = CPU) -> System:
    """The system of a name: `bm25`, a release folder, or the folder of an encoder.

    Args:
        threads, provider: of a release, as `workers.embedding.OnnxEmbedder`.

    Raises:
        InputError: it is neither.
        ReleaseError: the release is damaged, or has no graph for the provider.
        SettingsError: the provider is not there.
        MissingTool: what the kind of system needs is not installed.
    """
    if given == BM25:
        return _Bm25()
    folder = Path(given)
    if (folder / MANIFEST).exists():
        return _ReleaseSystem(folder, threads, provider)
    if folder.is_dir():
        return _EncoderSystem(folder)
    raise InputError(
        f"{given} is no system.", f"Give {BM25}, a release folder (models/student-v1) or an encoder folder."
    )


def renderer_of(given: str) -> str:
    """Id of the renderer whose texts a system is made for; training's where it is no release.

    Raises:
        ReleaseError: its manifest is malformed.
    """
    folder = Path(given)
    return read_manifest(folder).renderer if (folder / MANIFEST).exists() else RENDERER_ID


def rank(system: System, corpus: Mapping[str, str], queries: Mapping[str, str]) -> Run:
    """The best `DEPTH` documents for each query; equal scores in the order of ids."""
    names = sorted(corpus)
    scores, seconds = system.scores([corpus[name] for name in names], list(queries.values()))
    rankings = {}
    for query, row in zip(queries, scores, strict=True):
        best = np.argsort(-row, kind="stable")[:DEPTH]
        rankings[query] = {names[i]: float(row[i]) for i in best if np.isfinite(row[i])}
    return Run(system.name, rankings, len(names) / max(seconds, 1e-9))


class _Bm25:
    name = BM25

    def scores(self, documents: Sequence[str], queries: Sequence[str]) -> tuple[npt.NDArray[np.float32], float]:
        try:
            import bm25s
        except ModuleNotFoundError as error:
            raise MissingTool(
                f"{error.name} is not installed.", "Install what evaluation needs: kith[eval]."
            ) from error
        begun = time.perf_counter()
        retriever = bm25s.BM25()
        retriever.index(bm25s.tokenize(list(documents), stopwords="en", show_progress=False), show_progress=False)
        seconds = time.perf_counter() - begun
        rows = []
        for query in queries:
            (tokens,) = bm25s.tokenize([query], stopwords="en", return_ids=False, show_progress=False)
            found = retriever.get_scores(tokens) if tokens else np.zeros(len(documents))
            # A document without any word of the query is not found.
            rows.append(np.where(found > 0, found, -np.inf))
        return np.asarray(rows, dtype=np.float32), seconds


class _ReleaseSystem:
    def __init__(self, folder: Path, threads: int, provider: str) -> None:
        release = load_release(folder)
        self.name = release.manifest.name
        self._embedder = OnnxEmbedder(release, threads=threads, provider=provider)

    def scores(self, documents: Sequence[str], queries: Sequence[str]) -> tuple[npt.NDArray[np.float32], float]:
        begun = time.perf_counter()
        vectors = self._embedder.embed(documents)
        seconds = time.perf_counter() - begun
        return self._embedder.embed(queries) @ vectors.T, seconds


class _EncoderSystem:
    def __init__(self, folder: Path) -> None:
        try:
            from distill.training.forward import load_any_encoder
        except ModuleNotFoundError as error:
            raise MissingTool(f"{error.name} is not installed.", "Install what training needs: kith[train].") from error
        # Training writes `teacher/encoder` and `student/encoder`: the name is in the folder above.
        self.name = folder.resolve().parent.name if folder.name == "encoder" else folder.name
        self._embed = load_any_encoder(folder)

    def scores(self, documents: Sequence[str], queries: Sequence[str]) -> tuple[npt.NDArray[np.float32], float]:
        begun = time.perf_counter()
        vectors = self._embed(documents)
        seconds = time.perf_counter() - begun
        return self._embed(queries) @ vectors.T, seconds
