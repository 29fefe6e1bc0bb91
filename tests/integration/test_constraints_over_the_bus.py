"""Rights and plain words, as a client of the bus meets them."""

import json
import time

import jwt
import pytest
from pydantic import SecretStr

from kith import wiring
from schemas.records import Operation, Profile, ProfileChange
from schemas.search_records import FilterOperator, ReplyStatus, RequestFilter, SearchRequest
from tests.integration.bus import upsert
from tests.kith_process import one_line_error, run
from tests.waiting import wait_until

SECRET = "a secret of thirty-two bytes or so"
DENTIST = "Dentist. Root canals, crowns and bridges"
PEOPLE = (
    upsert("ann", DENTIST, location="Berlin, Germany", country="DE", languages=["de", "pl"]),
    upsert("bob", DENTIST, location="Leeds", country="GB", languages=["en"]),
    upsert("cid", DENTIST, location="Berlin", country="DE", languages=["sv"], visibility="board"),
)


@pytest.fixture
def own(settings):
    """An installation that checks rights."""
    return settings.model_copy(update={"rights_key": SecretStr(SECRET)})


@pytest.fixture
def ask(own, worker, bus, held):
    """Asks a query consumer over three people, of whom one is hidden."""
    worker(own, "index")
    bus.send(*PEOPLE)
    wait_until(held, lambda count: count == len(PEOPLE))
    worker(own, "serve")
    client = wiring.search_client(own)
    yield lambda query, **fields: client.ask(SearchRequest(query, **fields), 20)
    client.close()


def rights(*labels, **claims):
    return jwt.encode({"exp": int(time.time()) + 600, "labels": list(labels)} | claims, SECRET, algorithm="HS256")


def found(reply):
    assert reply.status is ReplyStatus.OK, reply.error
    return {hit.profile_id for hit in reply.hits}


def test_a_hidden_profile_is_found_with_rights_and_not_without(ask, own, bus, held, tmp_path):
    assert found(ask("my tooth hurts")) == {"ann", "bob"}
    assert found(ask("my tooth hurts", rights=rights("board"))) == {"ann", "bob", "cid"}
    by_id = [RequestFilter("profile_id", FilterOperator.EQ, ["cid"])]
    assert found(ask("my tooth hurts", filters=by_id)) == set()
    assert found(ask("my tooth hurts", filters=by_id, rights=rights("board", sub="me"), requester="me")) == {"cid"}
    for token in (rights("board", exp=1), rights("board", sub="you"), "board", rights("board")[:-3]):
        refused = ask("my tooth hurts", rights=token, requester="me")
        assert (refused.status, refused.hits) == (ReplyStatus.BAD_REQUEST, [])
        assert "The rights" in refused.error

    # Nothing but who may find her changes: no text, no embedding.
    shown = Profile("Ann", visibility="hr")
    bus.send(ProfileChange("ann", 2, 1, Operation.PATCH, "test", shown, ["visibility"]))
    wait_until(lambda: found(ask("my tooth hurts")), lambda ids: ids == {"bob"})
    assert found(ask("my tooth hurts", rights=rights("hr"))) == {"ann", "bob"}

    file = tmp_path / "rights"
    file.write_text(rights("board"))
    done = run(own, "search", "my tooth hurts", "--json", "--rights-file", str(file))
    assert {hit["profile_id"] for hit in json.loads(done.stdout)["hits"]} == {"bob", "cid"}
    file.write_text(rights("board", exp=1))
    assert "have expired" in one_line_error(run(own, "search", "my tooth hurts", "--rights-file", str(file)))


def test_plain_words_filter_and_fail_open(ask, own):
    polish = ask("a dentist who speaks Polish")
    assert found(polish) == {"ann"}
    (read,) = polish.reading.filters
    assert (read.field, read.values, read.words) == ("languages", ["pl"], "who speaks Polish")
    assert (polish.reading.query, polish.reading.dropped) == ("a dentist", False)

    assert found(ask("dentist in Berlin")) == {"ann"}
    assert found(ask("dentist in Berlin", rights=rights("board"))) == {"ann", "cid"}
    assert found(ask("dentist in Berlin", read_query=False)) == {"ann", "bob"}
    nobody = ask("dentist in Madrid")
    assert (found(nobody), nobody.reading.dropped, nobody.reading.query) == (
        {"ann", "bob"}, True, "dentist in Madrid"
    )  # fmt: skip
    # Whom she may not see does not answer for her: as if nobody spoke it.
    assert ask("a dentist who speaks Swedish").reading.dropped
    assert ask("who polishes floors?").reading is None

    table = run(own, "search", "dentist in Leeds")
    assert table.stdout.startswith('read "in Leeds" as location starts_with Leeds\nsearched for "dentist"\n'), (
        table.stderr
    )
    plain = run(own, "search", "dentist in Leeds", "--as-written", "--filter", "country:eq:DE")
    assert "Name of ann" in plain.stdout
