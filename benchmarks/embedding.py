"""Texts embedded per second on this machine: how runs are packed, threads, and the share of the int8 peak.

Every figure includes the tokenizer. CPU time is the base of ratios: it does not see who else uses the machine.

Example: `python -m benchmarks.embedding` or `python -m benchmarks.embedding models/student-v0`
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

import numpy as np
import onnxruntime
import psutil
from tokenizers import Tokenizer

from benchmarks.environment import describe
from benchmarks.int8 import PRODUCT, Work, instructions, peak, peak_case
from benchmarks.timing import Case, Taken, measure
from distill.synthetic import synthetic_profiles
from distill.taxonomy import load_taxonomy
from workers.embedding import OnnxEmbedder
from workers.release import Release, load_release
from workers.render import render

PROFILES = 96
QUESTIONS = 192
ROUNDS = 5
DEFAULT_MODEL = Path("models/student-v1")


def main() -> None:
    """Measure and print."""
    release = load_release(Path(sys.argv[1]) if len(sys.argv) > 1 else DEFAULT_MODEL)
    work = Work(release)
    cases, product = _cases(release), peak_case()
    taken = measure([*cases, product], ROUNDS)
    print(describe("onnxruntime", "tokenizers", "numpy"))
    print(f"int8:     {' '.join(instructions())}")
    print(f"model:    {release.manifest.name}, {work.layers} layers; median of {ROUNDS} rounds in turn")
    print(f"profiles: {cases[0].texts}, mean {cases[0].tokens / cases[0].texts:.0f} tokens; ", end="")
    print(f"questions: {cases[-1].texts}, mean {cases[-1].tokens / cases[-1].texts:.0f}")
    _print(cases, taken, work, peak(taken[product.name]))


def count_tokens(release: Release, texts: Sequence[str]) -> list[int]:
    """Tokens of each text, cut as the release cuts them."""
    tokenizer = Tokenizer.from_file(str(release.tokenizer_file))
    tokenizer.enable_truncation(release.manifest.max_tokens)
    return [len(encoding) for encoding in tokenizer.encode_batch_fast(list(texts))]


def _cases(release: Release) -> list[Case]:
    profiles = [render(made.profile) for made in synthetic_profiles(PROFILES, seed=1)]
    questions = [need for occupation in load_taxonomy().occupations for need in occupation.lay_needs][:QUESTIONS]
    tokens, asked = sum(count_tokens(release, profiles)), sum(count_tokens(release, questions))
    cases = []
    for threads in dict.fromkeys((1, psutil.cpu_count() or 1)):
        for budget in (1, 256, 512, 1024):
            run = _packed(release, threads, budget, profiles)
            name = f"{budget} tokens a run" if budget > 1 else "each text alone"
            cases.append(Case(f"{name}, {threads} thread{'s' if threads > 1 else ''}", run, PROFILES, tokens))
    for size in (8, 32):
        name = f"as they come, {size} a run, 1 thread"
        cases.append(Case(name, _as_they_come(release, size, profiles), PROFILES, tokens))
    for budget, name in ((1, "questions alone"), (512, "questions, 512 tokens a run")):
        run = _packed(release, 1, budget, questions)
        cases.append(Case(f"{name}, 1 thread", run, len(questions), asked))
    return cases


def _packed(release: Release, threads: int, budget: int, texts: Sequence[str]) -> Callable[[], object]:
    embedder = OnnxEmbedder(release, threads=threads, token_budget=budget)
    return lambda: embedder.embed(texts)


def _as_they_come(release: Release, size: int, texts: Sequence[str]) -> Callable[[], object]:
    """The plain way: batches in order of arrival, each padded to its longest text."""
    tokenizer = Tokenizer.from_file(str(release.tokenizer_file))
    tokenizer.enable_truncation(release.manifest.max_tokens)
    tokenizer.enable_padding()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(release.model_file()), options, providers=["CPUExecutionProvider"])

    def run() -> None:
        for start in range(0, len(texts), size):
            batch = tokenizer.encode_batch_fast(list(texts[start : start + size]))
            ids = np.array([encoding.ids for encoding in batch])
            mask = np.array([encoding.attention_mask for encoding in batch])
            session.run(None, {"input_ids": ids, "attention_mask": mask})

    return run


def _print(cases: Sequence[Case], taken: dict[str, Taken], work: Work, most: float) -> None:
    print(f"{'case':36} {'texts/s':>8} {'texts/cpu-s':>12} {'(range)':>18} {'share of peak':>14}")
    for case in cases:
        took = taken[case.name]
        share = work.operations(case.texts, case.tokens) / median(took.cpu) / most
        rates = f"{case.texts / median(took.wall):8.1f} {took.rate(case.texts):12.1f} {took.spread(case.texts):>18}"
        print(f"{case.name:36} {rates} {share:14.0%}")
    print(f"peak, best int8 product of {' x '.join(map(str, PRODUCT))}, 1 thread: {most / 1e9:.0f} GOPS")


if __name__ == "__main__":
    main()
