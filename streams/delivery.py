"""Records from the consumer to the agent, in batches: what Faust does for each, at a fraction of its cost.

Faust begins four tasks for each record that it hands to a stream, two of them to see whether it has to stop, and the
stream lets the loop go round for each (docs/decisions/0020-python-for-a-change.md).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Generator
from functools import partial
from inspect import iscoroutine
from types import coroutine
from typing import Any, cast

import faust
from faust.transport.drivers.aiokafka import Consumer
from faust.types import ChannelT, EventT
from mode.services import WaitResults


class DirectConsumer(Consumer):
    """Hands a record to its stream at once where the stream has room for it."""

    async def wait_first(self, *coros: Any, timeout: Any = None) -> WaitResults:  # noqa: ASYNC109 (as Faust calls it)
        """As Faust's, but work that ends without waiting for anything becomes no task."""
        if self.should_stop or not all(iscoroutine(one) for one in coros):
            return await super().wait_first(*coros, timeout=timeout)
        work, *others = coros
        try:
            waits_for = work.send(None)
        except BaseException as ended:
            for other in others:
                other.close()
            if isinstance(ended, StopIteration):
                return WaitResults([work], [ended.value], False)
            raise
        return await super().wait_first(_rest(work, waits_for), *others, timeout=timeout)


async def _rest(work: Coroutine[Any, Any, Any], waits_for: Any) -> Any:
    """What is left of work that has begun."""
    return await _resumed(work, waits_for)


@coroutine
def _resumed(work: Coroutine[Any, Any, Any], waits_for: Any) -> Generator[Any, Any, Any]:
    while True:
        try:
            step = partial(work.send, (yield waits_for))
        except BaseException as error:  # noqa: BLE001 (whatever it is, it is the work's)
            step = partial(work.throw, error)
        try:
            waits_for = step()
        except StopIteration as ended:
            return ended.value


class BytesSchema(faust.Schema[bytes, bytes]):
    """Keys and values are the bytes that they are, so that nothing is looked up to read them."""

    def compile(self, app: Any, **_options: Any) -> Any:
        """What makes an event of a message."""
        event = app.conf.Event

        async def decode(message: Any, *, propagate: bool = False) -> Any:
            del propagate  # bytes cannot be wrong
            return event(app, message.key, message.value, message.headers, message)

        return decode


class BatchStream(faust.Stream[bytes]):
    """A stream that is taken in batches, none of which it acknowledges."""

    async def batches(self, most: int, within_s: float) -> AsyncIterator[list[EventT[bytes]]]:
        """Events as they come, in order, up to `most` at a time and within so many seconds of a batch's first."""
        await self.maybe_start()
        try:
            while not self.should_stop:
                if batch := await self._gathered(most, within_s):
                    yield batch
        finally:
            self._channel.on_stop_iteration()

    @property
    def _channel(self) -> ChannelT[bytes]:
        return cast(ChannelT[bytes], self.channel)

    async def _gathered(self, most: int, within_s: float) -> list[EventT[bytes]]:
        batch: list[EventT[bytes]] = []
        self._take(await anext(self._channel), batch)
        try:
            async with asyncio.timeout(within_s):
                while len(batch) < most:
                    self._take(await anext(self._channel), batch)
        except TimeoutError:
            pass  # that was all
        # By this Faust tells streams that stand still.
        for at, event in {event.message.tp: event for event in batch}.items():
            self._on_stream_event_in(at, event.message.offset, self, event)
        return batch

    def _take(self, event: EventT[bytes], into: list[EventT[bytes]]) -> None:
        """As Faust does: what was fetched before a rebalance comes again, and until it is acknowledged it is known."""
        message = event.message
        if not self.app.flow_control.is_active() or message.generation_id != self.app.consumer_generation_id:
            return
        if not message.tracked:
            message.tracked = True
            self.app.consumer.unacked.add(message)
        into.append(event)
