"""What `kith produce` shows while it runs and at its end, and the files that it writes."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn

from kith.errors import InputError
from streams.produce import ProduceReport, Watch, examine
from streams.sources.items import Parsed, Rejection
from streams.sources.jsonl import write_line

# Between two lines where no bar can be drawn.
_LINE_EVERY_S = 5.0


@dataclass(frozen=True, slots=True)
class Source:
    """What is produced. `total` and what `done` answers are in one unit; `total` None where it is not known."""

    name: str
    records: Iterable[Parsed | Rejection]
    total: int | None
    done: Callable[[ProduceReport], int]


class RejectedFile:
    """Writes each rejected record as a line of JSON: `line`, `reason`, and `text` or, where it is not UTF-8, `base64`.

    Args:
        path: file to write, replaced if it exists; None writes none.

    Raises:
        InputError: the file cannot be written.
    """

    def __init__(self, path: Path | None) -> None:
        self._stream = None if path is None else _open_for_writing(path)

    def add(self, rejection: Rejection) -> None:
        """Write one."""
        if self._stream is None:
            return
        entry: dict[str, Any] = {"line": rejection.line, "reason": rejection.reason}
        if rejection.truncated:
            entry["truncated"] = True
        try:
            entry["text"] = rejection.original.decode()
        except UnicodeDecodeError:
            entry["base64"] = base64.b64encode(rejection.original).decode()
        self._stream.write(json.dumps(entry, ensure_ascii=False).encode() + b"\n")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if self._stream is not None:
            self._stream.close()


@contextmanager
def following(source: Source) -> Iterator[Callable[[ProduceReport], None]]:
    """What to call with the report as it grows: a bar on a terminal, a line every five seconds elsewhere (stderr)."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _Lines(source)
        return
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[counts]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(source.name, total=source.total, counts="")
        yield lambda report: progress.update(task, completed=source.done(report), counts=_counts(report))


class _Lines:
    def __init__(self, source: Source) -> None:
        self._source = source
        self._next_s = _LINE_EVERY_S

    def __call__(self, report: ProduceReport) -> None:
        if report.seconds < self._next_s:
            return
        self._next_s = report.seconds + _LINE_EVERY_S
        share = f"{self._source.done(report) / self._source.total:.0%} " if self._source.total else ""
        typer.echo(f"{self._source.name}: {share}{_counts(report)}", err=True)


def show_report(report: ProduceReport, max_errors_shown: int, done: str, *, as_json: bool, error: str = "") -> None:
    """Print what became of the records: rejected ones by line and reason, then the sums.

    Args:
        done: what happened to the others, one word.
        error: why the run ended early, for the JSON report.
    """
    shown = report.rejections[:max_errors_shown]
    if as_json:
        typer.echo(json.dumps(_as_mapping(report, shown, done) | ({"error": error} if error else {})))
        return
    for rejection in shown:
        typer.echo(f"line {rejection.line}: {rejection.reason}")
    if report.rejected > len(shown):
        typer.echo(f"… and {report.rejected - len(shown):,} more rejected (--rejected FILE writes all of them)")
    if report.left_out:
        typer.echo(f"languages without a known ISO 639-1 code, left out: {report.left_out:,}")
    typer.echo(
        f"{done} {report.sent:,} of {report.read:,}, rejected {report.rejected:,}; "
        f"{report.bytes / 1e6:,.1f} MB in {report.seconds:.1f} s ({_per_second(report):,.0f}/s)"
    )


def write_profiles(
    records: Iterable[Parsed | Rejection], path: Path, max_record_bytes: int, watch: Watch
) -> ProduceReport:
    """Write the valid profiles as JSONL of our own fields, without version and time: the same profiles, the same bytes.

    Raises:
        InputError: the file cannot be written.
    """
    unfinished = path.with_name(path.name + ".unfinished")
    with _open_for_writing(unfinished) as stream:
        report = examine(records, max_record_bytes=max_record_bytes, watch=watch, on_valid=_writer(stream))
    unfinished.replace(path)
    return report


def _writer(stream: IO[bytes]) -> Callable[[Parsed], None]:
    def write(item: Parsed) -> None:
        if item.change.profile is not None:
            stream.write(write_line(item.change.profile_id, item.change.profile))

    return write


def _open_for_writing(path: Path) -> IO[bytes]:
    try:
        return path.open("wb")
    except OSError as error:
        raise InputError(
            f"{path} cannot be written: {error.strerror}.", "Check the folder and its permissions."
        ) from None


def _as_mapping(report: ProduceReport, shown: list[Rejection], done: str) -> dict[str, Any]:
    return {
        "read": report.read,
        done: report.sent,
        "rejected": report.rejected,
        "rejections": [{"line": r.line, "reason": r.reason} for r in shown],
        "unacknowledged": report.unacknowledged,
        "first_unacknowledged_line": report.first_unacknowledged_line,
        "left_out": report.left_out,
        "bytes": report.bytes,
        "seconds": round(report.seconds, 3),
    }


def _counts(report: ProduceReport) -> str:
    return f"{report.read:,} read, {report.rejected:,} rejected, {_per_second(report):,.0f}/s"


def _per_second(report: ProduceReport) -> float:
    return report.read / report.seconds if report.seconds else 0.0
