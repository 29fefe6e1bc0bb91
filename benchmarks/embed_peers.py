"""Who is compared: our int8 releases, and the pretrained encoder in float32 as others run it, each at several sizes.

sentence-transformers sorts by length itself; fastembed does not, and is left out where it is not installed: it would
pull in an onnxruntime of its own choice. `pip install --no-deps fastembed loguru mmh3 py-rust-stemmers` is enough here.
"""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import onnx
import torch

from distill.encoder_folder import load_encoder
from distill.encoder_graph import build_graph
from distill.export import PRETRAINED, pretrained_folder
from workers.embedding import OnnxEmbedder
from workers.release import MODEL_INT8, TOKENIZER, Release

BUDGETS = (128, 256, 512, 1024)
BATCHES = (1, 2, 4, 8, 16, 32)
FASTEMBED = "fastembed"

Run = Callable[[], object]
# A size, cores and texts to what is timed.
Make = Callable[[int, int, Sequence[str]], Run]


@dataclass(frozen=True, slots=True)
class Contender:
    """One way to embed, at one of `sizes`, counted in `unit`.

    `release` tells tokens and operations: the release itself, or our release of the same encoder.
    """

    name: str
    release: Release
    sizes: tuple[int, ...]
    unit: str
    make: Make


@contextmanager
def contenders(student: Release, pretrained: Release) -> Iterator[list[Contender]]:
    """Every contender, ours first.

    Args:
        pretrained: our int8 release of the encoder that the others run.
    """
    with TemporaryDirectory(prefix="kith-float32-") as folder:
        exact = _in_float32(pretrained, Path(folder))
        found = [
            _our_way(student.manifest.name, "int8", student, student),
            _our_way(pretrained.manifest.name, "int8", pretrained, pretrained),
            _our_way(PRETRAINED, "float32, ONNX Runtime", pretrained, exact),
            _their_way("sentence-transformers", pretrained, _sentence_transformers()),
        ]
        if importlib.util.find_spec(FASTEMBED) is not None:
            found.append(_their_way(FASTEMBED, pretrained, _fastembed(exact.folder)))
        yield found


def _in_float32(release: Release, folder: Path) -> Release:
    """The pretrained encoder in float32 under the name of the int8 graph, so that our embedder runs it as its own."""
    onnx.save(build_graph(*load_encoder(pretrained_folder())), folder / MODEL_INT8)
    shutil.copy(release.tokenizer_file, folder / TOKENIZER)
    return Release(folder, release.manifest)


def _our_way(name: str, precision: str, release: Release, graph: Release) -> Contender:
    """Run by our own embedder: packed, and as many runs at a time as there are cores."""
    return Contender(f"{name}, {precision}", release, BUDGETS, "tokens a run", _ours(graph))


def _their_way(library: str, release: Release, make: Make) -> Contender:
    return Contender(f"{PRETRAINED}, float32, {library}", release, BATCHES, "a batch", make)


def _ours(release: Release) -> Make:
    def make(budget: int, cores: int, texts: Sequence[str]) -> Run:
        embedder = OnnxEmbedder(release, threads=cores, token_budget=budget)
        return lambda: embedder.embed(texts)

    return make


def _sentence_transformers() -> Make:
    from sentence_transformers import SentenceTransformer

    encoder = SentenceTransformer(str(pretrained_folder()), device="cpu", local_files_only=True)

    def make(size: int, cores: int, texts: Sequence[str]) -> Run:
        def run() -> None:
            torch.set_num_threads(cores)
            encoder.encode(list(texts), batch_size=size, show_progress_bar=False)

        return run

    return make


def _fastembed(graph: Path) -> Make:
    """The same float32 graph, which pools itself, in the folder layout that fastembed reads."""
    from fastembed import TextEmbedding
    from fastembed.common.model_description import ModelSource, PoolingType

    for name in ("config.json", "tokenizer_config.json", "special_tokens_map.json"):
        shutil.copy(pretrained_folder() / name, graph / name)
    TextEmbedding.add_custom_model(
        model=PRETRAINED,
        pooling=PoolingType.DISABLED,
        normalization=False,
        sources=ModelSource(hf=PRETRAINED),
        dim=384,
        model_file=MODEL_INT8,
    )

    def make(size: int, cores: int, texts: Sequence[str]) -> Run:
        model = TextEmbedding(PRETRAINED, threads=cores, specific_model_path=str(graph), cuda=False)
        return lambda: list(model.embed(list(texts), batch_size=size))

    return make
