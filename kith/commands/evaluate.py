"""`kith eval`: how well BM25, encoders and releases rank people."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from kith.errors import InputError, MissingTool
from workers.render import RENDERER_ID

if TYPE_CHECKING:
    from distill.evaluation.dataset import Dataset
    from distill.evaluation.evaluate import Result

_SURE = 0.05
_GOLDEN = ("dev", "test")


def evaluate(
    system: list[str] = typer.Argument(..., help="bm25, a release folder, or the folder of an encoder; several."),
    dataset: str = typer.Option("test", "--dataset", help="A BEIR-style folder; test and dev are the golden splits."),
    baseline: str | None = typer.Option(
        None, "--baseline", help="Name of the system to compare with; the first one without it."
    ),
    threads: int = typer.Option(0, "--threads", min=0, help="Threads of a release; 0 takes every core."),
    provider: str = typer.Option("cpu", "--provider", help="What runs a release: cpu, cuda or tensorrt."),
    out: Path | None = typer.Option(
        None, "--out", help="Write the last system's ranking: query, document, score, by tabs."
    ),
    report: Path | None = typer.Option(None, "--report", help="Write a page with plots and the worst queries (HTML)."),
    as_json: bool = typer.Option(False, "--json", help="Print every figure as JSON."),
) -> None:
    """Measure how well systems rank: nDCG@10, recall, MRR, zero hits, by class and language, with intervals.

    On the golden splits each release reads people as its own renderer writes them.

    Example: `kith eval bm25 models/student-v0 models/student-v1 --baseline student-v0 --report report.html`
    """
    try:
        from distill.evaluation.evaluate import evaluate as measure
        from distill.evaluation.systems import load_system, renderer_of
    except ModuleNotFoundError as error:
        raise MissingTool(f"{error.name} is not installed.", "Install what evaluation needs: kith[eval].") from error
    data = _dataset(dataset, RENDERER_ID)
    systems = [load_system(given, threads, provider) for given in system]
    names = [loaded.name for loaded in systems]
    if len(set(names)) < len(names):
        raise InputError(f"Two systems have one name: {', '.join(names)}.", "Rename a folder, or measure them apart.")
    if baseline is not None and baseline not in names:
        raise InputError(f"--baseline {baseline} is none of the systems.", f"Give one of {', '.join(names)}.")
    renderers = {loaded.name: renderer_of(given) for loaded, given in zip(systems, system, strict=True)}
    results = measure(
        data,
        systems,
        baseline or names[0],
        lambda line: typer.echo(line, err=True),
        {name: _dataset(dataset, by).corpus for name, by in renderers.items() if by != RENDERER_ID},
    )
    if out is not None:
        _write_run(out, results[-1])
    if report is not None:
        from distill.evaluation.report import write_report

        write_report(report, data, results)
    if as_json:
        typer.echo(json.dumps(_as_json(data, results)))
    else:
        _print(data, results)


def _dataset(given: str, renderer_id: str) -> Dataset:
    """The dataset; a golden one with people as this renderer writes them."""
    from distill.evaluation.dataset import load_dataset

    if given not in _GOLDEN or Path(given).is_dir():
        return load_dataset(Path(given))
    from distill.golden.dataset import golden_dataset

    return golden_dataset(given, renderer_id)


def _write_run(path: Path, result: Result) -> None:
    lines = [
        f"{query}\t{document}\t{score:.6f}\n"
        for query, ranking in result.run.rankings.items()
        for document, score in ranking.items()
    ]
    try:
        path.write_text("".join(lines), encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}.", "Choose another --out.") from error


def _as_json(data: Dataset, results: Sequence[Result]) -> dict[str, object]:
    systems = [
        {
            "system": result.run.system,
            "texts_per_s": round(result.run.texts_per_s, 1),
            "figures": {g: {m: asdict(f) for m, f in row.items()} for g, row in result.figures.items()},
            "against_baseline": {group: asdict(found) for group, found in result.against.items()},
        }
        for result in results
    ]
    return {"dataset": data.name, "queries": len(data.queries), "documents": len(data.corpus), "systems": systems}


def _print(data: Dataset, results: Sequence[Result]) -> None:
    from rich.console import Console
    from rich.table import Table

    from distill.evaluation.metrics import ALL, METRICS, NDCG

    console = Console()
    overall = Table("system", *METRICS, "documents/s", title=f"{data.name}: {len(data.queries)} queries")
    for result in results:
        cells = [f"{result.figures[ALL][metric].mean:.3f}" for metric in METRICS]
        overall.add_row(result.run.system, *cells, f"{result.run.texts_per_s:.0f}")
    console.print(overall)
    grouped = Table(
        "nDCG@10", *(result.run.system for result in results), title="95 % intervals; * p < 0.05 against the baseline"
    )
    for group in results[0].figures:
        grouped.add_row(group, *(_cell(result, group, NDCG) for result in results))
    console.print(grouped)


def _cell(result: Result, group: str, metric: str) -> str:
    figure, against = result.figures[group][metric], result.against.get(group)
    mark = "*" if against is not None and against.p_value < _SURE else ""
    return f"{figure.mean:.3f} [{figure.low:.2f}, {figure.high:.2f}]{mark}"
