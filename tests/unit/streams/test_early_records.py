"""Records that Faust delivers before those they follow: not worked on, not acknowledged, not waited for."""

from types import SimpleNamespace

import pytest

from streams.ahead import Decided
from streams.app import Pipeline
from streams.back_pressure import BackPressure
from streams.continuity import Continuity


class Log:
    def committed(self, _places):
        return {}

    def first_offset(self, _topic, _partition, since):
        return since


class Settles:
    """In the place of the work: settles whatever it is given."""

    def __init__(self):
        self.settled = []

    async def decide(self, records):
        return Decided(records)

    async def settle(self, decided, acknowledge):
        await acknowledge(decided.records)
        self.settled += [record.offset for record in decided.records]


class Stream:
    """As Faust's: what is acknowledged is tracked no more."""

    def __init__(self):
        self.unacked, self.acked = set(), []

    def event(self, offset):
        message = Message(offset)
        self.unacked.add(message)
        return SimpleNamespace(message=message, app=SimpleNamespace(consumer=self), ack=lambda: self.ack(message))

    def ack(self, message):
        self.unacked.discard(message)
        self.acked.append(message.offset)


class Message(SimpleNamespace):
    """Two of the same offset are two."""

    __hash__ = object.__hash__
    __eq__ = object.__eq__

    def __init__(self, offset):
        super().__init__(topic="changes", partition=0, offset=offset, key=b"k", value=b"v", headers=None)


@pytest.fixture
def pipeline():
    async def at_once():
        return None

    return Pipeline(Settles(), Continuity(Log(), BackPressure(0.01, 1), 0.05), "bulk", at_once)


async def test_they_come_again_after_those_that_were_missing(pipeline):
    stream = Stream()
    await pipeline.accept([stream.event(offset) for offset in (0, 1)])
    await pipeline.accept([stream.event(offset) for offset in (4, 5)])
    await pipeline._before
    assert stream.acked == [0, 1]
    assert stream.unacked == set(), "a rebalance would wait for them for ever"
    await pipeline.accept([stream.event(offset) for offset in (2, 3, 4, 5, 6)])
    await pipeline._before
    await pipeline._watch
    assert pipeline._indexing.settled == stream.acked == [0, 1, 2, 3, 4, 5, 6]


async def test_what_never_comes_ends_the_process(pipeline, monkeypatch):
    ended = []
    monkeypatch.setattr("streams.index_profiles._leave", ended.append)
    stream = Stream()
    await pipeline.accept([stream.event(3)])
    with pytest.raises(RuntimeError, match="Records 0 to 2"):
        await pipeline._watch
    assert [str(error) for error in ended] == ["Records 0 to 2 of changes, partition 0, were not delivered."]
