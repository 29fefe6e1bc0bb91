"""Metrics of a ranking for each query, by ir-measures, and what they are on average, with their uncertainty."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import ir_measures
import numpy as np
import numpy.typing as npt
from ir_measures import RR, R, nDCG
from scipy import stats

from distill.evaluation.dataset import Dataset, Query
from distill.evaluation.systems import Run

NDCG, RECALL_10, RECALL_100, MRR, ZERO_HIT, BADLY_WRONG = (
    "nDCG@10",
    "recall@10",
    "recall@100",
    "MRR@10",
    "zero-hit@10",
    "wrong@10",
)
METRICS = (NDCG, RECALL_10, RECALL_100, MRR, ZERO_HIT, BADLY_WRONG)
ALL = "all"

_FIRST = 10
_RESAMPLES = 2000
_CONFIDENCE = 0.95
_SEED = 20260101

PerQuery = Mapping[str, Mapping[str, float]]


@dataclass(frozen=True, slots=True)
class Figure:
    """A mean over queries. `low`, `high`: its 95 % bootstrap interval (percentile, 2,000 resamples)."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """A system against a baseline on the same queries.

    `difference`: of the means; `p_value`: two-sided paired permutation test (Smucker et al., 2007), 2,000 permutations.
    """

    difference: float
    p_value: float


def per_query(dataset: Dataset, run: Run) -> dict[str, dict[str, float]]:
    """Every metric by query id and name.

    nDCG takes grades as gains (Järvelin and Kekäläinen, 2002, as trec_eval computes it); the others know only right
    (a grade of `dataset.right` or more) and not. `zero-hit@10`: 1 where no right document is in the first ten;
    `wrong@10`: share of the first ten whose grade is 0.
    """
    measures = {
        nDCG @ 10: NDCG,
        R(rel=dataset.right) @ 10: RECALL_10,
        R(rel=dataset.right) @ 100: RECALL_100,
        RR(rel=dataset.right) @ 10: MRR,
    }
    found: dict[str, dict[str, float]] = {query.id: dict.fromkeys(METRICS, 0.0) for query in dataset.queries}
    qrels = {query.id: dict(dataset.qrels[query.id]) for query in dataset.queries}
    rankings = {query: dict(ranking) for query, ranking in run.rankings.items() if query in qrels}
    for value in ir_measures.iter_calc(list(measures), qrels, rankings):
        found[value.query_id][measures[value.measure]] = float(value.value)
    for query in dataset.queries:
        grades = dataset.qrels[query.id]
        first = list(run.rankings.get(query.id, {}))[:_FIRST]
        right = any(grades.get(name, 0) >= dataset.right for name in first)
        found[query.id][ZERO_HIT] = 0.0 if right else 1.0
        found[query.id][BADLY_WRONG] = sum(grades.get(name, 0) <= 0 for name in first) / _FIRST if first else 0.0
    return found


def groups(queries: Sequence[Query]) -> dict[str, list[str]]:
    """Query ids by group: all first, then classes, languages and the rest by name."""
    members: dict[str, list[str]] = {ALL: [query.id for query in queries]}
    for name in sorted({name for query in queries for name in query.groups}):
        members[name] = [query.id for query in queries if name in query.groups]
    return members


def figure(values: Sequence[float]) -> Figure:
    """Mean and interval of one metric over queries."""
    array = np.asarray(values)
    if len(array) < 2 or np.ptp(array) == 0:  # noqa: PLR2004  nothing to resample
        return Figure(float(array.mean()), float(array.mean()), float(array.mean()))
    result = stats.bootstrap(
        (array,),
        np.mean,
        n_resamples=_RESAMPLES,
        confidence_level=_CONFIDENCE,
        method="percentile",
        rng=np.random.default_rng(_SEED),
        batch=200,
    )
    low, high = result.confidence_interval
    return Figure(float(array.mean()), float(low), float(high))


def compare(values: Sequence[float], baseline: Sequence[float]) -> Comparison:
    """How far a system is from a baseline, query by query in the same order."""
    difference = np.asarray(values) - np.asarray(baseline)
    if len(difference) < 2 or not difference.any():  # noqa: PLR2004  nothing to permute
        return Comparison(float(difference.mean()), 1.0)
    result = stats.permutation_test(
        (difference,),
        _mean,
        permutation_type="samples",
        n_resamples=_RESAMPLES,
        rng=np.random.default_rng(_SEED),
        vectorized=True,
    )
    return Comparison(float(difference.mean()), float(result.pvalue))


def _mean(values: npt.NDArray[np.float64], axis: int = -1) -> npt.NDArray[np.float64]:
    return np.asarray(np.mean(values, axis=axis))
