"""What a candidate is held against before anybody sees it: golden set, and golden questions on the live index."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kith.errors import MissingTool, ReleaseError, Unavailable

if TYPE_CHECKING:
    from workers.retrieval import Arm, Retrieval

Say = Callable[[str], None]

_QUESTIONS = 100
_HITS = 10


def offline_gate(candidate: Path, live: Path, least_of_live: float, say: Say) -> dict[str, float]:
    """Measure both releases on the golden test questions.

    Args:
        least_of_live: the candidate's nDCG@10 as a share of the live model's, at least.

    Returns:
        nDCG@10 of both.

    Raises:
        ReleaseError: the candidate is below.
        MissingTool: what evaluation needs is not installed.
    """
    try:
        from distill.evaluation.evaluate import evaluate
        from distill.evaluation.metrics import ALL, NDCG
        from distill.evaluation.systems import load_system, renderer_of
    except ModuleNotFoundError as error:
        raise MissingTool(
            f"{error.name} is not installed.", "Install what evaluation needs (kith[eval]), or give --skip-gate."
        ) from error
    from distill.golden.dataset import golden_dataset

    folders = [str(candidate), str(live)]
    systems = [load_system(folder) for folder in folders]
    texts = {s.name: golden_dataset("test", renderer_of(f)).corpus for s, f in zip(systems, folders, strict=True)}
    results = evaluate(golden_dataset("test"), systems, None, say, texts)
    own, theirs = (result.figures[ALL][NDCG].mean for result in results)
    figures = {"golden_ndcg_at_10": own, "golden_ndcg_at_10_of_live": theirs}
    if own < least_of_live * theirs:
        raise ReleaseError(
            f"{candidate.name} has nDCG@10 {own:.4f} on the golden set, {live.name} has {theirs:.4f}: "
            f"less than {least_of_live:g} of it.",
            "Train a better one; --skip-gate begins all the same.",
        )
    return figures


def compare_on_live_index(retrieval: Retrieval, candidate: Arm, live: Arm) -> dict[str, float]:
    """Ask both collections the golden questions, one at a time, in turns.

    Returns:
        overlap@10, rank correlation (mean Kendall's tau-a), and for both models the median and 95th percentile of
        embedding and searching, milliseconds.

    Raises:
        Unavailable: one of them does not answer.
    """
    from distill.golden.dataset import golden_dataset
    from workers.guardrails import overlap_at_10, rank_correlation

    overlaps, taus, times = [], [], []
    for question in _spread([query.text for query in golden_dataset("test").queries]):
        (own, own_ms), (theirs, live_ms) = _asked(retrieval, candidate, question), _asked(retrieval, live, question)
        overlaps.append(overlap_at_10(own, theirs))
        if (tau := rank_correlation(own, theirs)) is not None:
            taus.append(tau)
        times.append((own_ms, live_ms))
    ms = np.asarray(times)
    return {
        "golden_overlap_at_10": float(np.mean(overlaps)),
        "golden_rank_correlation": float(np.mean(taus)) if taus else 0.0,
        "golden_p50_ms": float(np.percentile(ms[:, 0], 50)),
        "golden_p50_ms_of_live": float(np.percentile(ms[:, 1], 50)),
        "golden_p95_ms": float(np.percentile(ms[:, 0], 95)),
        "golden_p95_ms_of_live": float(np.percentile(ms[:, 1], 95)),
    }


def _spread(questions: Sequence[str]) -> Sequence[str]:
    """So many of them, from all over the set."""
    return questions[:: max(1, len(questions) // _QUESTIONS)][:_QUESTIONS]


def _asked(retrieval: Retrieval, arm: Arm, question: str) -> tuple[list[str], float]:
    from schemas.search_records import ReplyStatus, SearchMode, SearchRequest

    # Words are the same for both models: only meaning tells them apart.
    request = SearchRequest(question, _HITS, with_matched_text=False, mode=SearchMode.SEMANTIC)
    started = time.perf_counter()
    (reply,) = retrieval.answer(arm, [request])
    if reply.status is not ReplyStatus.OK:
        raise Unavailable(f"{arm.collection.name} does not answer: {reply.error}", "Try again.")
    return [hit.profile_id for hit in reply.hits], (time.perf_counter() - started) * 1000
