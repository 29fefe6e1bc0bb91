"""How our own embedder is best run: tokens of a run, runs at a time, and what that gives over the plain way."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

from benchmarks.embed_texts import count_tokens, profiles, questions
from benchmarks.timing import Case
from workers.embedding import OnnxEmbedder
from workers.packing import pack
from workers.release import Release

PROFILES, QUESTIONS = 96, 192
BUDGETS = (1, 128, 256, 512, 1024)
NAIVE = (8, 32)


def packing_cases(release: Release, cores: Sequence[int]) -> list[Case]:
    """Profiles of every length, and questions, by packing, cores, and threads of a run."""
    people, asked = profiles(PROFILES), questions(QUESTIONS)
    tokens, few = sum(count_tokens(release, people)), sum(count_tokens(release, asked))
    cases = []
    for count in cores:
        lanes = "1 core" if count == 1 else f"{count} runs at a time on {count} cores"
        for budget in BUDGETS:
            run = _packed(release, count, budget, people)
            cases.append(Case(f"profiles, {_size(budget)}, {lanes}", run, PROFILES, tokens, count))
        if count > 1:
            for budget in (256, 512, 1024):
                run = _one_run(release, count, budget, people)
                cases.append(Case(f"profiles, {_size(budget)}, 1 run of {count} threads", run, PROFILES, tokens, count))
    for size in NAIVE:
        name = f"profiles as they come, {size} a run, 1 core"
        cases.append(Case(name, _as_they_come(release, size, people), PROFILES, tokens, 1))
    for budget in (1, 256):
        run = _packed(release, 1, budget, asked)
        cases.append(Case(f"questions, {_size(budget)}, 1 core", run, QUESTIONS, few, 1))
    if max(cores) > 1:
        most = max(cores)
        run = _one_run(release, most, 1, asked)
        cases.append(Case(f"questions, {_size(1)}, 1 run of {most} threads", run, QUESTIONS, few, most))
    return cases


def _size(budget: int) -> str:
    return f"{budget} tokens a run" if budget > 1 else "each text alone"


def _packed(release: Release, threads: int, budget: int, texts: Sequence[str]) -> Callable[[], object]:
    embedder = OnnxEmbedder(release, threads=threads, token_budget=budget)
    return lambda: embedder.embed(texts)


def _one_run(release: Release, threads: int, budget: int, texts: Sequence[str]) -> Callable[[], object]:
    """The other way to use several cores: one run after the other, each with several threads."""
    tokenizer, session = _tokenizer(release), _session(release, threads)

    def run() -> None:
        encoded = tokenizer.encode_batch_fast(list(texts))
        for group in pack([len(one) for one in encoded], budget):
            longest = len(encoded[group[0]])
            rows = [encoded[index].ids + [0] * (longest - len(encoded[index])) for index in group]
            lengths = np.array([len(encoded[index]) for index in group])
            mask = (np.arange(longest) < lengths[:, None]).astype(np.int64)
            session.run(None, {"input_ids": np.array(rows, dtype=np.int64), "attention_mask": mask})

    return run


def _as_they_come(release: Release, size: int, texts: Sequence[str]) -> Callable[[], object]:
    """The plain way: batches in order of arrival, each padded to its longest text."""
    tokenizer, session = _tokenizer(release), _session(release, 1)
    tokenizer.enable_padding()

    def run() -> None:
        for start in range(0, len(texts), size):
            batch = tokenizer.encode_batch_fast(list(texts[start : start + size]))
            ids = np.array([encoding.ids for encoding in batch])
            mask = np.array([encoding.attention_mask for encoding in batch])
            session.run(None, {"input_ids": ids, "attention_mask": mask})

    return run


def _tokenizer(release: Release) -> Tokenizer:
    tokenizer = Tokenizer.from_file(str(release.tokenizer_file))
    tokenizer.enable_truncation(release.manifest.max_tokens)
    return tokenizer


def _session(release: Release, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.enable_mem_pattern = False
    # As a worker has to run it: spinning threads would take a core from Kafka's client and the event loop.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(str(release.model_file()), options, providers=["CPUExecutionProvider"])
