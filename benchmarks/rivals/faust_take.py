"""A Faust agent on `take_events`, whose body raises for what it cannot read, as the examples of it do.

The body is the afternoon's, without its care for bad records: what the acknowledgement of `take` makes of an error is
what is shown.
"""

from __future__ import annotations

import asyncio
from typing import Any

import faust

from benchmarks.rivals.afternoon import Afternoon
from benchmarks.rivals.parts import POLL, POLL_S, Record, Where, Work, where

# As kith has them: the defaults wait a minute for a member that was killed.
_SESSION_S, _HEARTBEAT_S = 10.0, 3.0


def application(told: Where) -> faust.App:
    """The application and its agent."""
    app = faust.App(
        told.group,
        broker=f"kafka://{told.bootstrap}",
        broker_session_timeout=_SESSION_S,
        broker_heartbeat_interval=_HEARTBEAT_S,
        consumer_auto_offset_reset="earliest",
        topic_allow_declare=False,
        topic_disable_leader=True,
        store="memory://",
        web_enabled=False,
        autodiscover=False,
    )
    topic = app.topic(told.topic, key_serializer="raw", value_serializer="raw", value_type=bytes, allow_empty=True)
    work = Work(told)
    afternoon = Afternoon(work)

    async def take(stream: Any) -> None:
        async for events in stream.take_events(POLL, within=POLL_S):
            batch = [_record(event) for event in events]
            for record in batch:
                if record.value is not None:
                    work.decode(record.value)
            await asyncio.to_thread(afternoon.take, batch)

    app.agent(topic, name=f"{told.group}.take", concurrency=1)(take)
    return app


def _record(event: Any) -> Record:
    message = event.message
    return Record(message.partition, message.offset, message.key, message.value)


if __name__ == "__main__":
    faust.Worker(application(where()), loglevel="ERROR").execute_from_commandline()
