"""Systems on a dataset: rankings, figures by group, comparison with a baseline."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from distill.evaluation.dataset import Dataset
from distill.evaluation.metrics import METRICS, NDCG, Comparison, Figure, compare, figure, groups, per_query
from distill.evaluation.systems import Run, System, rank


@dataclass(frozen=True, slots=True)
class Result:
    """What one system reached.

    Attributes:
        figures: by group, then metric.
        against: by group, nDCG@10 against the baseline; empty for the baseline itself.
        values: by query, then metric.
    """

    run: Run
    figures: Mapping[str, Mapping[str, Figure]]
    against: Mapping[str, Comparison]
    values: Mapping[str, Mapping[str, float]]


def evaluate(
    dataset: Dataset,
    systems: Sequence[System],
    baseline: str | None,
    say: Callable[[str], None],
    texts: Mapping[str, Mapping[str, str]] | None = None,
) -> list[Result]:
    """Measure every system; those after the baseline and before it are compared with it.

    Args:
        baseline: name of one of the systems; None compares nothing.
        texts: by name of a system that reads the documents in other words, all of them by id.
    """
    members = groups(dataset.queries)
    queries = {query.id: query.text for query in dataset.queries}
    measured = []
    for system in systems:
        say(f"{system.name}: {len(dataset.corpus)} documents, {len(queries)} queries")
        run = rank(system, (texts or {}).get(system.name, dataset.corpus), queries)
        measured.append((run, per_query(dataset, run)))
    base = next((values for run, values in measured if run.system == baseline), None)
    return [
        Result(run, _figures(values, members), _against(values, base, members) if base is not values else {}, values)
        for run, values in measured
    ]


def means(values: Mapping[str, Mapping[str, float]], members: Mapping[str, Sequence[str]]) -> dict[str, float]:
    """Mean nDCG@10 by group."""
    return {group: sum(values[q][NDCG] for q in ids) / len(ids) for group, ids in members.items()}


def _figures(
    values: Mapping[str, Mapping[str, float]], members: Mapping[str, Sequence[str]]
) -> dict[str, dict[str, Figure]]:
    return {
        group: {metric: figure([values[query][metric] for query in ids]) for metric in METRICS}
        for group, ids in members.items()
    }


def _against(
    values: Mapping[str, Mapping[str, float]],
    base: Mapping[str, Mapping[str, float]] | None,
    members: Mapping[str, Sequence[str]],
) -> dict[str, Comparison]:
    if base is None:
        return {}
    return {
        group: compare([values[query][NDCG] for query in ids], [base[query][NDCG] for query in ids])
        for group, ids in members.items()
    }
