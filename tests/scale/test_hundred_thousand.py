"""100,000 records, 30 % of them with a text that is known: embedded is each text of a profile, once."""

import json
import random
import time

import pytest

from kith import wiring
from kith.settings import DEFAULT_MODEL_DIR
from schemas.records import Operation, Outcome, Profile, ProfileChange
from streams.clock import now_ms
from tests.integration.accounting import audited, counter, wait_settled
from tests.integration.bus import Bus
from tests.integration.conftest import Worker
from tests.kith_process import run
from workers.model_collections import LIVE_ALIAS, collection_name

MODEL = DEFAULT_MODEL_DIR.name

PROFILES = 20_000
ROUNDS = 5
UNCHANGED = 30_000
WORDS = ("roofs", "bread", "tumours", "contracts", "engines", "violins", "gardens", "bridges", "taxes", "wells")


def rounds(chance):
    """Changes, each profile once a round, and the number of distinct (profile, text) pairs so far."""
    texts = [set() for _ in range(PROFILES)]
    headlines = [""] * PROFILES
    same = UNCHANGED // (ROUNDS - 1)
    for number in range(ROUNDS):
        keeping = set(chance.sample(range(PROFILES), same)) if number else set()
        changes = []
        for one in chance.sample(range(PROFILES), PROFILES):
            if one not in keeping:
                headlines[one] = f"Works on {chance.choice(WORDS)} and {chance.choice(WORDS)}, {one} in year {number}"
            texts[one].add(headlines[one])
            profile = Profile(f"Name {one} {number}", headline=headlines[one])
            changes.append(ProfileChange(f"p{one}", number + 1, now_ms(), Operation.UPSERT, "test", profile))
        yield changes, sum(map(len, texts))


def drop_everything(settings):
    """What is left of an index whose disks are lost."""
    index = wiring.index(settings)
    alias, name = settings.collection_prefix + LIVE_ALIAS, collection_name(MODEL, settings.collection_prefix)
    index.connection.call("drop", 30.0, lambda client, left: client.drop_alias(alias, timeout=left))
    index.connection.call("drop", 30.0, lambda client, left: client.drop_collection(name, timeout=left))
    index.close()


@pytest.mark.timeout(2400)
def test_each_text_of_a_profile_is_embedded_once_and_a_lost_index_comes_back_without(settings, tmp_path):
    bus, indexer = Bus(settings), Worker(settings, "index", tmp_path / "index.log")
    indexer.wait_ready()
    began, pairs = time.monotonic(), 0
    for changes, distinct in rounds(random.Random(7)):
        pairs = distinct
        for start in range(0, PROFILES, 5000):
            bus.send(*changes[start : start + 5000])
        wait_settled(settings, 600)
    seconds = time.monotonic() - began
    embedded, found = counter(indexer, "kith_embedded_total"), audited(settings)
    print(
        f"{PROFILES * ROUNDS} records in {seconds:.0f} s, {pairs} texts of profiles, {embedded:.0f} embedded", end=": "
    )
    print(", ".join(f"{outcome} {count}" for outcome, count in found.outcomes.items()))
    assert pairs == PROFILES * ROUNDS - UNCHANGED
    assert embedded == pairs
    assert found.outcomes == {Outcome.INDEXED: pairs, Outcome.UNCHANGED: UNCHANGED}
    assert found.exact, found
    assert found.index.right == PROFILES

    drop_everything(settings)
    report = json.loads(run(settings, "rebuild", "--json", timeout_s=600).stdout)
    print(
        f"rebuilt {report['written']} in {report['seconds']:.1f} s, {report['written'] / report['seconds']:.0f}/s",
        end="",
    )
    print(f"; the stream embedded and wrote {pairs / seconds:.0f}/s")
    assert (report["written"], report["without_vector"], report["asked"]) == (PROFILES, 0, 0)
    assert counter(indexer, "kith_embedded_total") == embedded
    assert audited(settings).index.right == PROFILES
    assert indexer.terminate() == 0
    bus.close()
