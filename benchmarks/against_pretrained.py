"""A release against the encoder that it came from, in float32 with sentence-transformers: one core, the same texts.

The encoder runs at several batch sizes, and its best one counts. Both include their tokenizer. Models keep to one
thread, and what a tokenizer takes on others counts as well: rates are by CPU time.

Example: `python -m benchmarks.against_pretrained` or `python -m benchmarks.against_pretrained models/student-v1`
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

import torch
from sentence_transformers import SentenceTransformer

from benchmarks.embedding import DEFAULT_MODEL, count_tokens
from benchmarks.environment import describe
from benchmarks.int8 import Work, instructions, peak, peak_case
from benchmarks.timing import Case, measure
from distill.export import PRETRAINED, pretrained_folder
from distill.synthetic import synthetic_profiles
from workers.embedding import OnnxEmbedder
from workers.release import Release, load_release
from workers.render import render

TEXTS = 64
SHORTEST, LONGEST = 100, 140
ROUNDS = 5
_BATCHES = (1, 2, 4, 8, 16, 32)
_BUDGETS = (256, 512, 1024)


def main() -> None:
    """Measure and print."""
    torch.set_num_threads(1)
    release = load_release(Path(sys.argv[1]) if len(sys.argv) > 1 else DEFAULT_MODEL)
    encoder = SentenceTransformer(str(pretrained_folder()), device="cpu", local_files_only=True)
    texts, tokens = _texts(release, encoder)
    ours = [
        Case(f"{release.manifest.name}, {b} tokens a run", _ours(release, b, texts), TEXTS, tokens) for b in _BUDGETS
    ]
    theirs = [Case(f"{PRETRAINED}, float32, {b} a batch", _theirs(encoder, b, texts), TEXTS, tokens) for b in _BATCHES]
    product = peak_case()
    taken = measure([*ours, *theirs, product], ROUNDS)
    print(describe("onnxruntime", "tokenizers", "torch", "sentence-transformers"))
    print(f"int8:     {' '.join(instructions())}")
    print(
        f"texts:    {TEXTS} profiles of {SHORTEST} to {LONGEST} tokens; one thread; median of {ROUNDS} rounds in turn"
    )
    for case in (*ours, *theirs):
        print(f"{case.name:48} {taken[case.name].rate(TEXTS):8.1f} texts/cpu-s  {taken[case.name].spread(TEXTS)}")
    best, rival = (max(cases, key=lambda case: taken[case.name].rate(TEXTS)) for cases in (ours, theirs))
    ratio = taken[best.name].rate(TEXTS) / taken[rival.name].rate(TEXTS)
    share = Work(release).operations(TEXTS, tokens) / median(taken[best.name].cpu) / peak(taken[product.name])
    print(f"best against best: {ratio:.1f}x; share of the int8 peak of one core: {share:.0%}")


def _texts(release: Release, encoder: SentenceTransformer) -> tuple[list[str], int]:
    """Profiles that are of the wanted length for both tokenizers, and their tokens by the release's."""
    found: list[str] = []
    tokens = 0
    for made in synthetic_profiles(40 * TEXTS, seed=1):
        text = render(made.profile)
        lengths = (count_tokens(release, [text])[0], len(encoder.tokenizer(text)["input_ids"]))
        if all(SHORTEST <= length <= LONGEST for length in lengths):
            found.append(text)
            tokens += lengths[0]
        if len(found) == TEXTS:
            return found, tokens
    raise SystemExit(f"Only {len(found)} profiles of {SHORTEST} to {LONGEST} tokens; widen the range.")


def _ours(release: Release, budget: int, texts: Sequence[str]) -> Callable[[], object]:
    embedder = OnnxEmbedder(release, threads=1, token_budget=budget)
    return lambda: embedder.embed(texts)


def _theirs(encoder: SentenceTransformer, size: int, texts: Sequence[str]) -> Callable[[], object]:
    return lambda: encoder.encode(list(texts), batch_size=size, show_progress_bar=False)


if __name__ == "__main__":
    main()
