"""`kith erase`: a person leaves, and nothing of her stays."""

from __future__ import annotations

import json
from dataclasses import asdict

import typer

from kith import wiring
from kith.deadline import Deadline
from kith.settings import load_settings
from schemas.validation import validate_profile_id


def erase(
    profile_id: str = typer.Argument(..., help="The profile to erase."),
    timeout_s: float = typer.Option(60.0, "--timeout", min=1.0, help="Longest wait for the indexer, seconds."),
    as_json: bool = typer.Option(False, "--json", help="Print the proof as JSON."),
) -> None:
    """Erase a person from every collection, every indexer's table, the log of embeddings and the dead letters.

    Waits until nothing is found any more, and publishes a proof without personal data; file its id with the request.
    The indexers have to run. What remains is the mark that the id was deleted; the records of the change stream leave
    with its retention, overwritten bytes of compacted topics within three days. Impressions and feedback go on naming
    the id, and nothing else of the person, until their retention ends (30 days).
    Exit code: 0 erased, 3 not verified in time: erase again.

    Example: `kith erase member-4711`
    """
    validate_profile_id(profile_id)
    settings = load_settings()
    codec, held = wiring.codec(settings), wiring.index(settings)
    try:
        proof = wiring.eraser(settings, codec, held).erase(profile_id, Deadline.after(timeout_s))
    finally:
        held.close()
        codec.close()
    if as_json:
        typer.echo(json.dumps(asdict(proof)))
    else:
        typer.echo(
            f"erased from {', '.join(proof.collections)}, the table and the log; dead letters closed: "
            f"{proof.dead_letters}; proof {proof.erasure_id}"
        )
