"""What the consumer left out between the log and the work is noticed; holes that the log has are none."""

import asyncio

import pytest
from mode.utils.queues import FlowControlQueue

from streams.app import StreamConfig, build_app
from streams.back_pressure import BackPressure
from streams.continuity import Continuity, Followed, RecordsLeftOutError
from streams.incoming import Incoming


class LogOf:
    """A partition that holds records at these offsets."""

    def __init__(self, offsets, committed=0):
        self.offsets = offsets
        self.commit = committed
        self.asked = self.asked_of_group = 0

    def committed(self, places):
        self.asked_of_group += 1
        return dict.fromkeys(places, self.commit) if self.commit else {}

    def first_offset(self, _topic, _partition, since):
        self.asked += 1
        return min(offset for offset in self.offsets if offset >= since)


def records(*offsets, partition=0):
    return [Incoming("changes", partition, offset, b"k", b"v") for offset in offsets]


def following(log, patience_s=10.0):
    return Continuity(log, BackPressure(0.01, 1), patience_s)


async def followed(continuity, given):
    """Records none of which came too early."""
    result = await continuity.follow(given)
    assert result.early == []
    return result.records


async def test_what_follows_one_after_the_other_costs_no_question():
    log = LogOf(range(10))
    continuity = following(log)
    assert await followed(continuity, records(0, 1, 2)) == records(0, 1, 2)
    assert await followed(continuity, records(3) + records(0, partition=1)) == records(3) + records(0, partition=1)
    assert log.asked == 0


async def test_the_commits_of_all_partitions_are_asked_for_at_once():
    log = LogOf(range(10))
    await following(log).follow([one for partition in range(50) for one in records(0, 1, partition=partition)])
    assert log.asked_of_group == 1


async def test_records_that_the_log_holds_and_nobody_delivers_end_it():
    continuity = following(LogOf(range(10)), patience_s=0.02)
    await continuity.follow(records(0, 1))
    assert await continuity.follow(records(5, 6)) == Followed([], records(5, 6))
    with pytest.raises(RecordsLeftOutError, match="Records 2 to 4 of changes, partition 0"):
        await continuity.missing_come()


async def test_the_first_record_after_the_commit_may_not_be_left_out_either():
    continuity = following(LogOf(range(10), committed=4), patience_s=0.02)
    assert await continuity.follow(records(7)) == Followed([], records(7))
    with pytest.raises(RecordsLeftOutError, match="Records 4 to 6"):
        await continuity.missing_come()


async def test_records_that_came_too_early_come_again_after_those_that_were_missing():
    log = LogOf([0, 1, 3, 4, 5, 6])
    continuity = following(log, patience_s=0.02)
    await continuity.follow(records(0, 1))
    watch = asyncio.create_task(continuity.missing_come())
    assert await continuity.follow(records(5)) == Followed([], records(5))
    assert await continuity.follow(records(0, 6)) == Followed(records(0), records(6))
    assert log.asked == 1
    assert await followed(continuity, records(3, 4, 5, 6)) == records(3, 4, 5, 6)
    await watch


async def test_one_partition_that_waits_holds_no_other_back():
    continuity = following(LogOf(range(10)))
    assert await continuity.follow(records(4) + records(0, partition=1)) == Followed(
        records(0, partition=1), records(4)
    )


async def test_what_was_missing_is_waited_for_anew_when_it_is_missing_again():
    continuity = following(LogOf(range(10)), patience_s=0.2)
    await continuity.follow(records(5))
    watch = asyncio.create_task(continuity.missing_come())
    await asyncio.sleep(0.1)
    continuity.forget()
    await continuity.follow(records(5))
    await asyncio.sleep(0.15)
    assert not watch.done()
    await continuity.follow(records(0))
    await watch


async def test_holes_of_the_log_are_no_loss():
    continuity = following(LogOf([3, 4, 7, 8]))
    assert await followed(continuity, records(3, 4)) == records(3, 4)
    assert await followed(continuity, records(7, 8)) == records(7, 8)


async def test_what_comes_twice_is_worked_on_once_and_in_order():
    continuity = following(LogOf(range(10)))
    assert await followed(continuity, records(0, 1, 0, 2, 1)) == records(0, 1, 2)
    assert await followed(continuity, records(1, 2, 3)) == records(1, 2, 3)


async def test_partitions_that_were_away_begin_at_their_commit():
    log = LogOf(range(100))
    continuity = following(log)
    await continuity.follow(records(0, 1))
    continuity.forget()
    log.commit = 50
    assert await followed(continuity, records(50)) == records(50)


async def test_resuming_the_flow_keeps_what_was_delivered(tmp_path):
    """The race that lost a full buffer when a partition came while it was already being fetched."""
    config = StreamConfig("g", "127.0.0.1:1", tmp_path, ("changes",), "bulk", "state", 1, None, 8, 10, 60.0)
    app, _pipeline = build_app(config, lambda _table: None, following(LogOf([])), lambda: None, lambda _since: iter(()))
    queue = FlowControlQueue(flow_control=app.flow_control, clear_on_resume=True)
    app.flow_control.resume()
    await queue.put("delivered")
    app.flow_control.resume()
    assert queue.qsize() == 1
    app.flow_control.suspend()
    waiting = asyncio.create_task(queue.put("later"))
    await asyncio.sleep(0)
    assert not waiting.done()
    app.flow_control.clear()
    app.flow_control.resume()
    await waiting
    assert [queue.get_nowait()] == ["later"]
