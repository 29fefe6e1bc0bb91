"""A page for people: figures, plots, and the queries that went worst with what was found."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape
from io import BytesIO
from pathlib import Path

from matplotlib.figure import Figure as Canvas

from distill.evaluation.dataset import Dataset
from distill.evaluation.evaluate import Result
from distill.evaluation.metrics import ALL, METRICS, NDCG
from kith.errors import InputError

_WORST = 25
_SHOWN = 5
_MOST_CHARS = 220
_DOTS_PER_INCH = 110

_STYLE = """body{font:15px/1.5 system-ui,sans-serif;max-width:1100px;margin:2em auto;padding:0 1em;color:#222}
table{border-collapse:collapse;margin:1em 0}td,th{padding:.25em .7em;border-bottom:1px solid #ddd;text-align:left;
vertical-align:top}img{max-width:100%}.g0{color:#b00}.g4,.g3{color:#060}"""


def write_report(path: Path, dataset: Dataset, results: Sequence[Result]) -> None:
    """Write one HTML file that needs nothing else.

    Raises:
        InputError: the file cannot be written.
    """
    classes = [group for group in results[0].figures if group.startswith("class: ")]
    languages = [group for group in results[0].figures if group.startswith("language: ")]
    parts = [
        f"<h1>{escape(dataset.name)}</h1>",
        f"<p>{len(dataset.queries)} queries, {len(dataset.corpus)} documents; bars: 95 % bootstrap intervals.</p>",
        _overall(results),
        "<h2>Quality against speed</h2>",
        _image(_speed(results)),
    ]
    for title, groups in (("By class", classes), ("By language", languages)):
        if groups:
            parts += [f"<h2>{title}</h2>", _image(_bars(groups, results))]
    parts += [f"<h2>Worst queries of {escape(results[-1].run.system)}</h2>", _worst(dataset, results[-1])]
    page = f"<!doctype html><meta charset=utf-8><title>{escape(dataset.name)}</title><style>{_STYLE}</style>"
    try:
        path.write_text(page + "\n".join(parts), encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}.", "Choose another --report.") from error


def _overall(results: Sequence[Result]) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in ("system", *METRICS, "documents/s"))
    rows = []
    for result in results:
        cells = [f"{result.figures[ALL][metric].mean:.3f}" for metric in METRICS]
        shown = (result.run.system, *cells, f"{result.run.texts_per_s:.0f}")
        rows.append("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in shown) + "</tr>")
    return f"<table><tr>{head}</tr>{''.join(rows)}</table>"


def _speed(results: Sequence[Result]) -> Canvas:
    canvas = Canvas(figsize=(7, 4), layout="constrained")
    axes = canvas.subplots()
    for result in results:
        figure = result.figures[ALL][NDCG]
        bounds = [[figure.mean - figure.low], [figure.high - figure.mean]]
        axes.errorbar(result.run.texts_per_s, figure.mean, yerr=bounds, fmt="o", label=result.run.system)
    axes.set(xscale="log", xlabel="documents/s taken in, here, in this run", ylabel=NDCG, ylim=(0, 1))
    axes.legend()
    return canvas


def _bars(groups: Sequence[str], results: Sequence[Result]) -> Canvas:
    canvas = Canvas(figsize=(10, 0.5 + 0.32 * len(groups) * len(results)), layout="constrained")
    axes = canvas.subplots()
    height = 0.8 / len(results)
    for at, result in enumerate(results):
        figures = [result.figures[group][NDCG] for group in groups]
        bounds = [[f.mean - f.low for f in figures], [f.high - f.mean for f in figures]]
        places = [row + at * height for row in range(len(groups))]
        axes.barh(places, [f.mean for f in figures], height, xerr=bounds, label=result.run.system)
    axes.set_yticks([row + 0.4 - height / 2 for row in range(len(groups))], [g.partition(": ")[2] for g in groups])
    axes.invert_yaxis()
    axes.set(xlabel=NDCG, xlim=(0, 1))
    axes.legend()
    return canvas


def _image(canvas: Canvas) -> str:
    buffer = BytesIO()
    canvas.savefig(buffer, format="png", dpi=_DOTS_PER_INCH)
    return f'<img alt="" src="data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}">'


def _worst(dataset: Dataset, result: Result) -> str:
    order = sorted(dataset.queries, key=lambda query: (result.values[query.id][NDCG], query.id))[:_WORST]
    rows = []
    for query in order:
        found = "".join(_hit(dataset, query.id, name) for name in list(result.run.rankings[query.id])[:_SHOWN])
        asked = f"{escape(query.text)}<br>{escape(query.id)}"
        rows.append(f"<tr><td>{asked}</td><td>{result.values[query.id][NDCG]:.2f}</td><td><ul>{found}</ul></td></tr>")
    return f"<table><tr><th>query</th><th>{NDCG}</th><th>grade: found</th></tr>{''.join(rows)}</table>"


def _hit(dataset: Dataset, query: str, document: str) -> str:
    grade = dataset.qrels[query].get(document, 0)
    return f'<li class="g{grade}">{grade}: {escape(dataset.corpus[document][:_MOST_CHARS])}</li>'
