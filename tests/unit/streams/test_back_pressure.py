import asyncio

import pytest

from kith.errors import InputError, Unavailable
from streams.back_pressure import BackPressure


async def test_work_is_repeated_until_it_is_available_and_the_reason_is_told_meanwhile():
    pressure = BackPressure(max_wait_s=0.01, give_up_s=10)
    seen = []

    async def work():
        seen.append(pressure.reason)
        if len(seen) < 4:
            raise Unavailable("Milvus refuses writes.")
        return "done"

    assert await pressure.through("index", work) == "done"
    assert seen[0] is None
    assert all("Milvus refuses writes" in reason for reason in seen[1:])
    assert pressure.reason is None


async def test_it_gives_up_in_the_end():
    pressure = BackPressure(max_wait_s=0.01, give_up_s=0.05)

    async def work():
        raise Unavailable("gone")

    with pytest.raises(Unavailable, match="gone"):
        await pressure.through("index", work)


async def test_what_can_never_succeed_is_not_repeated():
    calls = []

    async def work():
        calls.append(1)
        raise InputError("never")

    with pytest.raises(InputError):
        await BackPressure(0.01, 10).through("index", work)
    assert len(calls) == 1


async def test_what_still_waits_is_told_when_other_work_beside_it_is_done():
    pressure, away = BackPressure(max_wait_s=0.01, give_up_s=10), True
    refused_twice = asyncio.Event()
    refused = 0

    async def write():
        nonlocal refused
        if away:
            refused += 1
            if refused == 2:
                refused_twice.set()
            raise Unavailable("Milvus refuses writes.")

    async def read():
        return "rows"

    writing = asyncio.create_task(pressure.through("index", write))
    await refused_twice.wait()
    assert await pressure.through("index", read) == "rows"
    assert "refuses writes" in pressure.reason
    away = False
    await writing
    assert pressure.reason is None
