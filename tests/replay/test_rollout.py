"""A candidate from its first profile to being live, and back; bad ones are stopped, by themselves."""

import json
import threading
import time
from contextlib import contextmanager

import pytest

from kith import wiring
from kith.settings import DEFAULT_MODEL_DIR
from schemas.records import Operation, Profile, ProfileChange
from schemas.rollouts import FeedbackAction, Rollout, RolloutPhase, SearchFeedback
from schemas.search_records import ReplyStatus, SearchRequest
from streams.clock import now_ms
from streams.publisher import Outgoing
from tests import noisy_release
from tests.integration.accounting import audited, waiting
from tests.integration.bus import upsert
from tests.integration.conftest import Worker
from tests.kith_process import one_line_error, run
from tests.waiting import wait_until
from workers.model_collections import collection_name

LIVE = DEFAULT_MODEL_DIR.name
QUESTIONS = (
    "who treats cancer?", "somebody who repairs roofs", "my tooth hurts", "a lawyer for my divorce", "bread and cakes",
    "can you fix my car?", "who designs bridges?", "teach my child the violin", "look after my horse", "grow tomatoes",
)  # fmt: skip


@pytest.fixture
def of(settings, tmp_path):
    """Settings with a folder of releases: the live one, and copies of it with so much noise."""

    def make(**noise: float):
        models = tmp_path / "models"
        models.mkdir(exist_ok=True)
        for name, much in noise.items():
            noisy_release.write(models, name, much)
        return settings.model_copy(update={"models_dir": models})

    return make


@pytest.fixture
def candidate_index(tmp_path):
    """Starts the indexer of a candidate; ends it."""
    started = []

    def start(settings, name):
        own = settings.model_copy(update={"model_dir": settings.models_dir / name})
        one = Worker(own, "index", tmp_path / f"index-{name}.log")
        started.append(one)
        one.wait_ready()
        return own

    yield start
    for one in started:
        one.kill()


def rollout(settings):
    records = wiring.codec(settings)
    try:
        return wiring.rollout_log(settings, records).last()
    finally:
        records.close()


def step(settings, *arguments, code=0):
    done = run(settings, "rollout", *arguments, timeout_s=240)
    assert done.returncode == code, done.stdout + done.stderr
    return done


def fill_with_people(settings, worker, count=300):
    index = worker(settings, "index")
    done = run(settings, "produce", "--synthetic", str(count), "--seed", "5")
    assert done.returncode == 0, done.stderr
    wait_until(lambda: waiting(settings), lambda left: left == 0, 120)
    return index


@contextmanager
def asking(settings, requesters=20):
    """Questions all the time, by several requesters; the replies as they came."""
    client, ended, replies = wiring.search_client(settings), threading.Event(), []

    def ask():
        number = 0
        while not ended.is_set():
            request = SearchRequest(
                f"{QUESTIONS[number % len(QUESTIONS)]}",
                requester=f"member-{number % requesters}",
                deadline_at=now_ms() + 20_000,
                with_matched_text=False,
            )
            replies.append((request, client.ask(request, 20), time.monotonic()))
            number += 1

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield replies
    finally:
        ended.set()
        thread.join(30)
        client.close()


def answered_by(replies):
    return {reply.model for _request, reply, _at in replies}


def test_a_candidate_becomes_live_and_is_taken_back_without_a_failed_or_mixed_reply(
    of, worker, bus, candidate_index, held
):
    settings = of(better=0)
    fill_with_people(settings, worker)
    bus.send(
        upsert("ada", "Baker", 1),
        ProfileChange("ada", 2, now_ms(), Operation.PATCH, "test", Profile("Ada", headline="Diver"), ["headline"]),
        upsert("gone", "Notary", 4),
        ProfileChange("gone", 5, now_ms(), Operation.DELETE),
    )
    wait_until(lambda: waiting(settings), lambda left: left == 0)
    worker(settings, "serve")

    with asking(settings) as replies:
        said = step(settings, "start", "better", "--skip-gate").stdout
        assert "301 embedded, 0 refreshed, 1 deleted, 0 before" in said
        assert rollout(settings).phase is RolloutPhase.FILLED
        own = candidate_index(settings, "better")
        # Late for both, new for both, and a patch of what the candidate knows from the table alone.
        bus.send(
            upsert("gone", "Notary", 3),
            ProfileChange("ada", 3, now_ms(), Operation.PATCH, "test", Profile("Ada L."), ["name"]),
            upsert("eve", "Roofer", 1),
        )
        wait_until(lambda: waiting(own) + waiting(settings), lambda left: left == 0)
        for one in (settings, own):
            found = audited(one)
            assert found.exact, found
            assert found.index.right == 302
        assert answered_by(replies) == {LIVE}

        step(settings, "shadow", "50")
        wait_until(lambda: observed(settings).get("compared_samples", 0), lambda seen: seen >= 10)
        # The same weights: a vector depends a little on the texts that it was made beside.
        assert observed(settings)["overlap_at_10"] > 0.9
        assert answered_by(replies) == {LIVE}

        step(settings, "ramp", "50")
        wait_until(lambda: len(answered_by(replies[-40:])), lambda models: models == 2)
        since = len(replies) + 1
        wait_until(lambda: len(replies), lambda count: count >= since + 60)
        by_requester: dict[str, set[str]] = {}
        for request, reply, _at in replies[since : since + 60]:
            by_requester.setdefault(request.requester, set()).add(reply.model)
        assert all(len(models) == 1 for models in by_requester.values()), "a requester keeps the model"
        assert "answers 50 %" in one_line_error(step(settings, "promote", code=2))
        assert answered_by(replies[-1:]) <= {LIVE, "better"}

        step(settings, "ramp", "100")
        assert "better is live" in step(settings, "promote").stdout
        wait_until(lambda: answered_by(replies[-20:]), lambda models: models == {"better"})
        assert audited(own).exact

        step(settings, "rollback", "--reason", "a test")
        wait_until(lambda: answered_by(replies[-20:]), lambda models: models == {LIVE})
        assert (rollout(settings).phase, rollout(settings).reason) == (RolloutPhase.ROLLED_BACK, "a test")
        assert audited(settings).exact

    assert {reply.status for _request, reply, _at in replies} == {ReplyStatus.OK}
    assert all(reply.collection.endswith(reply.model.replace("-", "_")) for _request, reply, _at in replies)


def test_a_repeated_fill_takes_in_what_changed_meanwhile_and_leaves_little_to_the_indexer(
    of, worker, bus, candidate_index
):
    settings = of(better=0)
    fill_with_people(settings, worker, 40)
    index = wiring.index(settings)
    bus.send(*(upsert(who, "Baker", 1) for who in ("renamed", "retrained", "gone", "buried")))
    wait_until(lambda: waiting(settings), lambda left: left == 0)
    step(settings, "start", "better", "--skip-gate", "--partitions", "0,1", code=1)
    before, collection = rollout(settings).inputs, collection_name("better", settings.collection_prefix)
    vectors = index.vectors(collection, ["renamed", "retrained"], 10)
    assert len(vectors) == 2

    bus.send(
        ProfileChange("renamed", 2, now_ms(), Operation.PATCH, "test", Profile("Ada L."), ["name"]),
        ProfileChange("retrained", 2, now_ms(), Operation.PATCH, "test", Profile("-", headline="Diver"), ["headline"]),
        ProfileChange("gone", 2, now_ms(), Operation.DELETE),
        upsert("new", "Roofer", 1),
        Outgoing(bus.topics.changes.name, b"buried", None),
        *(upsert("restless", f"Tailor of {number} coats", number) for number in range(1200)),
    )
    wait_until(lambda: waiting(settings), lambda left: left == 0)
    said = step(settings, "start", "better", "--skip-gate").stdout
    assert "3 embedded, 1 refreshed, 2 deleted, 40 before, 0 refused" in said
    assert "0 embedded, 0 refreshed, 0 deleted, 46 before, 0 refused" in said
    moved = sum(one.offset for one in rollout(settings).inputs) - sum(one.offset for one in before)
    assert moved == 1205, "what the second fill took in is not left to the indexer"
    after = index.vectors(collection, ["renamed", "retrained", "gone", "buried"], 10)
    assert after.keys() == {"renamed", "retrained"}
    assert (after["renamed"].vector == vectors["renamed"].vector).all()
    assert (after["retrained"].vector != vectors["retrained"].vector).any()

    own = candidate_index(settings, "better")
    bus.send(upsert("gone", "Baker", 1), upsert("gone", "Notary", 3), upsert("restless", "Late", 1198))
    wait_until(lambda: waiting(own) + waiting(settings), lambda left: left == 0)
    for one in (settings, own):
        found = audited(one)
        assert found.exact, found
        assert found.index.right == 45
    index.close()


def observed(settings):
    done = step(settings, "status", "--json")
    return json.loads(done.stdout)["observed"]


def test_a_bad_candidate_is_stopped_by_the_gate_by_shadow_and_by_the_ramp(of, worker, bus, candidate_index):
    settings = of(noisy=64.0)
    (settings.models_dir / LIVE).symlink_to(DEFAULT_MODEL_DIR)
    fill_with_people(settings, worker)
    worker(settings, "serve")

    refused = one_line_error(step(settings, "start", "noisy", code=2))
    assert "noisy has nDCG@10 0.0" in refused
    assert run(settings, "rollout", "status").returncode == 2, "nothing was begun"

    limits = ("--guardrail", "least_samples=20", "--guardrail", "least_overlap=0.2")
    step(settings, "start", "noisy", "--skip-gate", *limits)
    candidate_index(settings, "noisy")
    with asking(settings) as replies:
        step(settings, "shadow", "100")
        ended = wait_until(lambda: rollout(settings), lambda one: one.phase is RolloutPhase.ROLLED_BACK)
        assert ended.reason.startswith("guardrail: overlap@10: 0.")
        assert answered_by(replies) == {LIVE}, "nobody saw it"

        # Once more from the ramp, with the shadow phase left out.
        step(settings, "start", "noisy", "--skip-gate", *limits)
        step(settings, "ramp", "50", "--shadow", "100")
        ended = wait_until(lambda: rollout(settings), lambda one: one.phase is RolloutPhase.ROLLED_BACK)
        assert ended.reason.startswith("guardrail: overlap@10: 0.")
        assert "noisy" in answered_by(replies)
        since = len(replies) + 5
        wait_until(lambda: len(replies), lambda count: count > since + 20)
        assert answered_by(replies[since:]) == {LIVE}, "everybody is back"

        # And with nothing compared at all, by what people say of it.
        step(settings, "start", "noisy", "--skip-gate", *limits)
        step(settings, "ramp", "50", "--shadow", "0")
        ended = wait_until(lambda: dismissed(settings, bus), lambda one: one.phase is RolloutPhase.ROLLED_BACK)
        assert ended.reason == "guardrail: feedback: 100.0% more dismissed than of the live model, most 10.0%"
    assert {reply.status for _request, reply, _at in replies} == {ReplyStatus.OK}


def dismissed(settings, bus):
    """The rollout, after one more round of feedback: whoever is asked about the candidate dismisses it."""
    topic = bus.topics.feedback
    said = ((LIVE, FeedbackAction.CONNECT), ("noisy", FeedbackAction.DISMISS)) * 20
    feedback = [SearchFeedback("1", "p", model, action, now_ms()) for model, action in said]
    bus.send(*(Outgoing(topic.name, None, bus.codec.encode(topic.subject, one)) for one in feedback))
    return rollout(settings)


def test_what_cannot_be_rolled_out_changes_nothing(of, worker, bus):
    settings = of(better=0, torn=0, other=0)
    (settings.models_dir / "torn" / "tokenizer.json").write_text("{}")
    fill_with_people(settings, worker, 5)
    assert "There is no release unheard-of" in one_line_error(step(settings, "start", "unheard-of", code=2))
    assert "its hash differs" in one_line_error(step(settings, "start", "torn", code=2))
    assert f"{LIVE} is live already" in one_line_error(step(settings, "start", LIVE, code=2))
    assert "'best' is no guardrail" in one_line_error(
        step(settings, "start", "better", "--guardrail", "best=1", code=2)
    )
    assert "There is no rollout" in one_line_error(step(settings, "status", code=2))
    assert bus.read_all(bus.topics.rollouts, Rollout) == []

    step(settings, "start", "better", "--skip-gate")
    assert "The rollout of better is under way" in one_line_error(
        step(settings, "start", "other", "--skip-gate", code=2)
    )
    assert "PROMOTED can follow" in one_line_error(step(settings, "promote", code=2))
    assert rollout(settings).candidate == "better"
    step(settings, "rollback")
    assert "No rollout is under way" in one_line_error(step(settings, "ramp", code=2))
    step(settings, "retire")
    assert rollout(settings).retired == "better"
    index = wiring.index(settings)
    assert sorted(name.rpartition("__")[2] for name in models(settings, index)) == [LIVE.replace("-", "_")]
    index.close()


def models(settings, index):
    from workers.model_collections import models_of

    return models_of(index.connection, 10.0, settings.collection_prefix)
