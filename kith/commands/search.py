"""`kith search`: a question over the bus."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from kith.commands.search_filters import read_rights, reading_lines, requested_filters
from kith.errors import InputError, Unavailable
from kith.settings import load_settings

if TYPE_CHECKING:
    from schemas.search_records import Explanation, RecordPlace, SearchMode, SearchReply

_NOTHING_FOUND = 1
_MAX_TIMEOUT_S = 120.0


def search(
    query: str = typer.Argument(..., help="The question, in any words."),
    limit: int = typer.Option(10, "--limit", "-n", help="Most people to show."),
    country: list[str] = typer.Option([], "--country", help="Country, ISO 3166-1 alpha-2; repeat for any of several."),
    location: list[str] = typer.Option([], "--location", help="Place, exactly as the profile has it."),
    industry: list[str] = typer.Option([], "--industry", help="Industry, exactly as the profile has it."),
    seniority: list[str] = typer.Option(
        [], "--seniority", help="intern, junior, mid, senior, lead, director, executive."
    ),
    skill: list[str] = typer.Option([], "--skill", help="A skill that the person must have; repeat for several."),
    language: list[str] = typer.Option([], "--language", help="Language spoken, ISO 639-1; repeat for any of several."),
    years_at_least: int | None = typer.Option(None, "--years-at-least", help="Years since the first position."),
    filter_: list[str] = typer.Option(
        [], "--filter", help="FIELD:OPERATOR:VALUE[,VALUE…], as country:not_in:DE,AT; repeat for several."
    ),
    as_written: bool = typer.Option(False, "--as-written", help="Read no conditions out of the question."),
    rights_file: Path | None = typer.Option(
        None, "--rights-file", help="File of the signed rights to search with; - for standard input."
    ),
    requester: str | None = typer.Option(None, "--requester", help="Who asks, as the rights name them."),
    at_least: list[str] = typer.Option(
        [], "--at-least", help="TOPIC:PARTITION:OFFSET of a change that the index must hold; repeat for several."
    ),
    mode: str = typer.Option(
        "auto", "--mode", help="auto, semantic (by meaning), keyword (by words) or hybrid (both)."
    ),
    explain: bool = typer.Option(False, "--explain", help="Show each hit's ranks and scores by meaning and by words."),
    timeout: float | None = typer.Option(None, "--timeout", help="Seconds to wait for the reply."),
    as_json: bool = typer.Option(False, "--json", help="Print the reply as JSON."),
) -> None:
    """Ask who fits: the question goes over Kafka to the query consumer, the answer comes back the same way.

    What the question says of places, languages, level and years is read into filters, and shown; where nobody meets
    it, the question is searched for as it was written.

    Exit codes: 0 found, 1 nobody found, 2 a request that cannot be answered, 3 no answer now.

    Example: `kith search "who knows about treating cancer?" --country DE --limit 5`

    Example: `kith search "welder in Berlin who speaks Polish" --years-at-least 5 --filter skills:contains_any:TIG,MIG`
    """
    settings = load_settings()
    from kith import wiring
    from kith.wiring_traces import recording
    from schemas.records import to_avro
    from schemas.search_records import ReplyStatus, SearchRequest
    from streams.clock import now_ms

    timeout_s = settings.query_timeout_s if timeout is None else timeout
    if not 0 < timeout_s <= _MAX_TIMEOUT_S:
        raise InputError(f"--timeout is {timeout_s:g}.", f"Give seconds, more than 0 and up to {_MAX_TIMEOUT_S:g}.")
    any_of = {"country": country, "location": location, "industry": industry, "seniority": seniority}
    request = SearchRequest(
        query,
        limit,
        requested_filters(any_of, skill, language, years_at_least, filter_),
        deadline_at=now_ms() + int(timeout_s * 1000),
        requester=requester,
        at_least=[_place(one) for one in at_least],
        read_query=not as_written,
        rights=read_rights(rights_file),
        mode=_mode(mode),
        explain=explain,
    )
    with recording(settings, "search"), wiring.search_client(settings) as client:
        reply = client.ask(request, timeout_s=timeout_s)
    if reply.status is ReplyStatus.BAD_REQUEST:
        raise InputError(reply.error or "The request was refused.")
    if reply.status is not ReplyStatus.OK:
        raise Unavailable(reply.error or f"The request ended as {reply.status.value}.")
    if as_json:
        typer.echo(json.dumps(to_avro(reply), ensure_ascii=False))
    else:
        print_hits(reply)
    if not reply.hits:
        raise typer.Exit(_NOTHING_FOUND)


def _mode(text: str) -> SearchMode:
    """Raises `InputError` for what is no mode."""
    from schemas.search_records import SearchMode

    try:
        return SearchMode(text)
    except ValueError:
        raise InputError(f"--mode {text} is no mode.", f"These are: {', '.join(SearchMode)}.") from None


def _place(text: str) -> RecordPlace:
    """Raises `InputError` for what names no record."""
    from schemas.search_records import RecordPlace

    topic, _, rest = text.rpartition(":")[0].rpartition(":")
    try:
        return RecordPlace(topic or text, int(rest), int(text.rpartition(":")[2]))
    except ValueError:
        raise InputError(f"--at-least {text} names no record.", "Write it as profile.changes:3:17.") from None


def print_hits(reply: SearchReply) -> None:
    """A table of what a reply found, and what it cost."""
    from rich.console import Console
    from rich.table import Table

    for line in reading_lines(reply.reading) if reply.reading else ():
        typer.echo(line)
    if not reply.hits:
        typer.echo("nobody found")
        return
    explained = any(hit.explanation for hit in reply.hits)
    why = ("by meaning", "by words") if explained else ()
    table = Table("name", "headline", "place", "score", *why, "matched text")
    for hit in reply.hits:
        place, score = hit.location or hit.country, f"{hit.score:.3f}"
        table.add_row(hit.name, hit.headline, place, score, *(_why(hit.explanation) if why else ()), hit.matched_text)
    Console().print(table, markup=False)
    times = f"embed {reply.embed_ms:.0f} ms, search {reply.search_ms:.0f} ms"
    mode = f" ({reply.mode})" if reply.mode else ""
    typer.echo(f"{reply.model} on {reply.collection}{mode}: {times}")


def _why(explanation: Explanation | None) -> tuple[str, str]:
    """Rank and score by meaning, and by words; a dash where a search did not find the hit."""
    if explanation is None:
        return "-", "-"
    return (
        _ranked(explanation.semantic_rank, explanation.semantic_score),
        _ranked(explanation.keyword_rank, explanation.keyword_score),
    )


def _ranked(rank: int | None, score: float | None) -> str:
    return "-" if rank is None or score is None else f"{rank}. ({score:.3f})"
