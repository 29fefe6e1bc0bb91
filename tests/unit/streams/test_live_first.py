import asyncio

import pytest

from kith.errors import Unavailable
from streams.live_first import GivesWay, LiveFirst


class Fresh:
    """How fresh live changes are, look by look; the last one stays."""

    def __init__(self, *ms):
        self.ms = list(ms)
        self.looks = 0

    def p95_ms(self, within_s=None):
        self.looks += 1
        return self.ms.pop(0) if len(self.ms) > 1 else self.ms[0]

    def close(self):
        return None


class Lag:
    def __init__(self, *waiting):
        self.waiting = list(waiting)

    def look(self):
        return {("changes", 0): self.waiting.pop(0) if len(self.waiting) > 1 else self.waiting[0], ("backfill", 0): 999}

    def close(self):
        return None


def first(fresh, before_ms, lag=0, most_s=5.0):
    return LiveFirst(fresh, before_ms, lambda: Lag(lag), "changes", most_s)


def test_it_waits_until_live_changes_are_as_fresh_as_they_may_be():
    fresh = Fresh(400.0, 310.0, 290.0)
    first(fresh, 200.0).wait()
    assert fresh.looks == 3


def test_a_tenth_of_a_second_is_fresh_enough_whatever_it_was_before():
    fresh = Fresh(99.0)
    first(fresh, 10.0).wait()
    assert fresh.looks == 1


def test_a_machine_that_is_busy_anyway_lets_a_piece_through_now_and_then():
    fresh = Fresh(10_000.0)
    first(fresh, 200.0, most_s=0.3).wait()
    assert 2 <= fresh.looks <= 5


@pytest.mark.parametrize(("waiting", "looks"), [(100, 1), (101, 4)])
def test_without_a_figure_from_before_the_backlog_decides(waiting, looks):
    fresh = Fresh(None)
    first(fresh, None, lag=waiting, most_s=0.3).wait()
    assert min(fresh.looks, 4) >= min(looks, 2)
    assert (fresh.looks == 1) is (looks == 1)


class Held:
    def __init__(self):
        self.waits, self.closed = 0, 0

    def wait(self):
        self.waits += 1

    def close(self):
        self.closed += 1


def test_only_an_indexer_that_is_not_live_gives_way_and_to_the_one_that_is():
    live, made = ["v1"], []

    def make(model):
        made.append((model, Held()))
        return made[-1][1]

    way = GivesWay("v2", lambda: live[0], make)

    def batch():
        way._look_again = type(way._look_again).after(0)
        asyncio.run(way())

    batch()
    batch()
    assert [(model, held.waits) for model, held in made] == [("v1", 2)]
    live[0] = "v2"
    batch()
    assert (made[0][1].waits, made[0][1].closed) == (2, 1)
    live[0] = None
    batch()
    live[0] = "v3"
    batch()
    assert [model for model, _held in made] == ["v1", "v3"]


def test_work_goes_on_when_nobody_can_tell_whom_it_holds_up():
    def make(model):
        raise Unavailable("Kafka is away.")

    asyncio.run(GivesWay("v2", lambda: "v1", make)())
