"""A BEIR-style folder: corpus.jsonl, queries.jsonl, qrels.tsv (docs/evaluation.md describes the files)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kith.errors import InputError

CORPUS, QUERIES, QRELS = "corpus.jsonl", "queries.jsonl", "qrels.tsv"

_RIGHT_OF_FIVE_GRADES = 3
_QRELS_CELLS = 3
_NESTED_QRELS = "qrels/test.tsv"


@dataclass(frozen=True, slots=True)
class Query:
    """One question. `groups`: what it is counted under besides all, for example `class: lay`."""

    id: str
    text: str
    groups: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Dataset:
    """Questions, documents, and grades.

    Attributes:
        corpus: text by document id.
        qrels: by query id, grade by document id; others count as 0.
        right: the least grade that counts as right where a metric knows only right and wrong.
    """

    name: str
    corpus: Mapping[str, str]
    queries: tuple[Query, ...]
    qrels: Mapping[str, Mapping[str, int]]
    right: int = field(default=1)


def load_dataset(folder: Path) -> Dataset:
    """Read and check a folder. Queries without a grade are left out, as BEIR does.

    Raises:
        InputError: a file is missing, a line has no id or text, an id occurs twice, or a grade names an unknown
            document or query; names file and line.
    """
    corpus = {}
    for where, row in _rows(folder / CORPUS):
        name = _text(where, row, "_id")
        if name in corpus:
            raise InputError(f"{where}: document {name!r} occurs twice.", "Every document needs an _id of its own.")
        corpus[name] = " ".join(x for x in (str(row.get("title") or ""), _text(where, row, "text")) if x)
    queries = [_query(where, row) for where, row in _rows(folder / QUERIES)]
    qrels = _qrels(folder, corpus.keys(), {query.id for query in queries})
    top = max((grade for grades in qrels.values() for grade in grades.values()), default=0)
    if top <= 0:
        raise InputError(f"{folder}: no document is right for any query.", f"{QRELS} needs a score above 0.")
    right = _RIGHT_OF_FIVE_GRADES if top >= _RIGHT_OF_FIVE_GRADES else 1
    return Dataset(folder.name, corpus, tuple(query for query in queries if query.id in qrels), qrels, right)


def _query(where: str, row: Mapping[str, Any]) -> Query:
    metadata = row.get("metadata")
    facts = metadata if isinstance(metadata, dict) else {}
    groups = [f"{key}: {facts[key]}" for key in ("class", "language") if isinstance(facts.get(key), str)]
    if facts.get("no_shared_word") is True:
        groups.append("no shared word")
    return Query(_text(where, row, "_id"), _text(where, row, "text"), tuple(groups))


def _rows(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, start=1):
                where = f"{path}, line {number}"
                if line.strip():
                    yield where, _object(where, line)
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"{path} cannot be read: {error}.", f"The folder needs {CORPUS}, {QUERIES} and {QRELS}."
        ) from error


def _object(where: str, line: str) -> Mapping[str, Any]:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise InputError(f"{where}: not JSON: {error}.", "Every line is one JSON object.") from error
    if not isinstance(row, dict):
        raise InputError(f"{where}: not a JSON object.", 'Every line is like {"_id": "1", "text": "..."}.')
    return row


def _text(where: str, row: Mapping[str, Any], key: str) -> str:
    value = row.get(key)
    if not isinstance(value, str) or not value.strip():
        raise InputError(f"{where}: {key} is missing.", 'Every line is like {"_id": "1", "text": "..."}.')
    return value


def _qrels(folder: Path, documents: Any, queries: set[str]) -> dict[str, dict[str, int]]:
    path = folder / QRELS
    if not path.exists() and (folder / _NESTED_QRELS).exists():
        path = folder / _NESTED_QRELS
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read: {error}.", "It holds query id, document id and score.") from error
    qrels: dict[str, dict[str, int]] = {}
    for number, line in enumerate(lines[1:], start=2):
        where = f"{path}, line {number}"
        cells = line.split("\t")
        if len(cells) < _QRELS_CELLS or not cells[2].lstrip("-").isdigit():
            raise InputError(f"{where}: not a grade.", "Query id, document id and a whole number, apart by tabs.")
        if cells[0] not in queries:
            raise InputError(f"{where}: query {cells[0]!r} is not in {QUERIES}.")
        if cells[1] not in documents:
            raise InputError(f"{where}: document {cells[1]!r} is not in {CORPUS}.")
        qrels.setdefault(cells[0], {})[cells[1]] = int(cells[2])
    return qrels
