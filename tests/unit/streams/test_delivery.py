"""What stands in for Faust between the consumer and the agent, on Faust's own consumer class, queues and stream."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest
from faust import App
from faust.types import TP
from mode.utils.queues import FlowControlEvent

from streams.delivery import BatchStream, DirectConsumer

GENERATION = 7


class Consumer(DirectConsumer):
    """Faust's own, without a transport: only what waits is asked of it."""

    def __init__(self):
        self._stopped = asyncio.Event()
        self._crashed = asyncio.Event()
        self._tasks = 0

    @property
    def loop(self):
        return asyncio.get_running_loop()

    @property
    def should_stop(self):
        return self._stopped.is_set()


async def never():
    await asyncio.Event().wait()


def tasks():
    return len(asyncio.all_tasks())


async def test_work_that_waits_for_nothing_is_done_at_once_and_becomes_no_task():
    before, seen = tasks(), []

    async def work():
        seen.append(tasks())
        return "done"

    found = await Consumer().wait_first(work(), never())

    assert (found.results, found.stopped) == (["done"], False)
    assert seen == [before] == [tasks()]


async def test_work_that_waits_goes_on_where_it_began():
    room, steps = asyncio.Event(), []

    async def work():
        steps.append("begins")
        await room.wait()
        await asyncio.sleep(0)
        steps.append("ends")
        return "done"

    asyncio.get_running_loop().call_later(0.02, room.set)
    found = await Consumer().wait_first(work(), never())

    assert (steps, found.results) == (["begins", "ends"], ["done"])


async def test_whatever_comes_first_ends_the_wait_and_the_work_with_it():
    ended, suspended = [], asyncio.Event()

    async def work():
        try:
            await never()
        finally:
            ended.append("work")

    asyncio.get_running_loop().call_later(0.02, suspended.set)
    found = await Consumer().wait_first(work(), suspended.wait())
    await asyncio.sleep(0)

    assert (found.results, ended) == ([True], ["work"])


@pytest.mark.parametrize("waits", [False, True])
async def test_an_error_of_the_work_is_raised(waits):
    async def work():
        if waits:
            await asyncio.sleep(0.01)
        raise ValueError("as it is")

    with pytest.raises(ValueError, match="as it is"):
        await Consumer().wait_first(work(), never())


async def test_a_consumer_that_stops_says_so():
    consumer = Consumer()
    consumer._stopped.set()

    async def work():
        return "done"

    assert (await consumer.wait_first(work(), never())).stopped


@pytest.fixture
async def stream():
    app = App("test", broker="kafka://nowhere", web_enabled=False, autodiscover=False, Stream=BatchStream)
    app.flow_control = FlowControlEvent(loop=asyncio.get_running_loop())
    app.flow_control.resume()
    app.consumer = SimpleNamespace(unacked=set())
    app.consumer_generation_id = GENERATION
    app.sensors.add(app.monitor)
    made = app.stream(app.channel(maxsize=100))
    yield made
    await made.stop()


def put(stream, *offsets, generation=GENERATION, partition=0):
    for offset in offsets:
        message = Message(tp=TP("changes", partition), offset=offset, generation_id=generation, tracked=False)
        stream.channel.queue.put_nowait(SimpleNamespace(message=message))


class Message(SimpleNamespace):
    """Two of the same offset are two."""

    __hash__ = object.__hash__
    __eq__ = object.__eq__


async def taken(stream, batches, most=4, within_s=0.05):
    found = []
    async for batch in stream.batches(most, within_s):
        found.append([event.message.offset for event in batch])
        if len(found) == batches:
            break
    return found


async def test_what_is_there_comes_in_full_batches_and_in_order(stream):
    put(stream, *range(10))

    assert await taken(stream, 3) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


async def test_a_batch_waits_for_company_no_longer_than_it_may(stream):
    loop = asyncio.get_running_loop()
    put(stream, 0)
    loop.call_later(0.03, put, stream, 1)
    loop.call_later(0.2, put, stream, 2)

    assert await taken(stream, 2, within_s=0.1) == [[0, 1], [2]]


async def test_what_was_taken_is_known_until_it_is_acknowledged(stream):
    put(stream, 0, 1)
    await taken(stream, 1)

    assert sorted(message.offset for message in stream.app.consumer.unacked) == [0, 1]


async def test_what_was_fetched_before_a_rebalance_is_left_to_come_again(stream):
    put(stream, 0, 1, generation=GENERATION - 1)
    put(stream, 2)

    assert await taken(stream, 1) == [[2]]
    assert [message.offset for message in stream.app.consumer.unacked] == [2]


async def test_nothing_is_lost_when_the_time_ends_as_a_record_comes(stream):
    """Each record is put in the moment in which the batch before it ends."""

    async def puts():
        for offset in range(1, 60):
            await asyncio.sleep(0.004)
            put(stream, offset)

    put(stream, 0)
    writer = asyncio.create_task(puts())
    found = []
    async for batch in stream.batches(50, 0.004):
        found.extend(event.message.offset for event in batch)
        if found[-1] == 59:
            break
    await writer

    assert found == list(range(60))


async def test_faust_hears_of_each_partition_that_is_worked_on(stream):
    put(stream, 5, partition=0)
    put(stream, 9, partition=3)
    await taken(stream, 1)

    assert set(stream.app.monitor.stream_inbound_time) == {TP("changes", 0), TP("changes", 3)}
