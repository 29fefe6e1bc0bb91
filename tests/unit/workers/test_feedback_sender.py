"""Feedback that cannot be sent is told to whoever sends it. Nothing listens at the address."""

import pytest

from kith.errors import InputError, Unavailable
from schemas.codec import Codec
from schemas.rollouts import FeedbackAction, SearchFeedback
from schemas.topics import Topics
from tests.fakes_bus import MemoryRegistry
from tests.waiting import wait_until
from workers.feedback_sender import FeedbackSender

TOLD = SearchFeedback("r1", "p1", "student-v1", FeedbackAction.VIEW, 1_700_000_000_000)


@pytest.fixture
def sender(monkeypatch):
    for name, value in {
        "_ACKNOWLEDGED_MS": 200,
        "_LOOK_EVERY_S": 0.01,
        "_LOOK_TIMEOUT_S": 0.1,
        "_FLUSH_S": 0.1,
    }.items():
        monkeypatch.setattr(f"workers.feedback_sender.{name}", value)
    return FeedbackSender({"bootstrap.servers": "127.0.0.1:1"}, Codec(MemoryRegistry()), Topics("t."))


def test_what_was_not_acknowledged_is_unavailable_and_brokers_that_are_away_are_said(sender):
    with sender:
        with pytest.raises(Unavailable, match="did not take the feedback"):
            sender.submit(TOLD).result(30)
        reason = wait_until(sender.reason, bool)
    assert "does not answer" in reason


@pytest.mark.parametrize(
    ("field", "value"), [("request_id", ""), ("profile_id", "a b"), ("model", "x" * 129), ("occurred_at", 0)]
)
def test_what_breaks_a_rule_is_not_sent(sender, field, value):
    fields = {name: getattr(TOLD, name) for name in TOLD.__slots__} | {field: value}
    with pytest.raises(InputError, match=f"^{field}: "):
        sender.submit(SearchFeedback(**fields))
