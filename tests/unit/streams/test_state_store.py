from types import SimpleNamespace

import pytest
from faust.types import TP
from yarl import URL

from kith.errors import Unavailable
from streams.state_store import SCHEME, StateStore


def store(folder, host="disk"):
    table = SimpleNamespace(name="profiles", changelog_topic=SimpleNamespace(topics=["changelog"]))
    app = SimpleNamespace(conf=SimpleNamespace(tabledir=folder))
    return StateStore(URL(f"{SCHEME}://{host}"), app, table, loop=None)


def message(partition, offset, key, value):
    return SimpleNamespace(message=SimpleNamespace(partition=partition, offset=offset, key=key, value=value))


@pytest.mark.parametrize("host", ["disk", "memory"])
def test_values_by_partition_and_key_and_the_changelog_offset_beside_them(tmp_path, host):
    one = store(tmp_path, host)
    assert one.persisted_offset(TP("changelog", 0)) is None
    one.put(0, {b"a": b"1", b"b": b"2"}, 7)
    one.put(1, {b"a": b"other"}, 3)
    one.put(0, {b"b": None}, 8)
    assert one.fetch(0, [b"a", b"b", b"c"]) == {b"a": b"1"}
    assert one.fetch(1, [b"a"]) == {b"a": b"other"}
    assert (one.persisted_offset(TP("changelog", 0)), one.persisted_offset(TP("changelog", 1))) == (8, 3)


def test_what_recovery_reads_is_there_after_a_restart(tmp_path):
    first = store(tmp_path)
    first.apply_changelog_batch([message(2, 5, b"a", b"1"), message(2, 6, b"a", b"2"), message(0, 1, b"b", b"3")])
    first._close()
    again = store(tmp_path)
    assert again.fetch(2, [b"a"]) == {b"a": b"2"}
    assert again.persisted_offset(TP("changelog", 2)) == 6
    assert again.persisted_offset(TP("changelog", 0)) == 1


async def test_a_partition_that_is_taken_away_is_closed_for_another_to_open(tmp_path):
    one, other = store(tmp_path), store(tmp_path)
    one.put(0, {b"a": b"1"}, 1)
    with pytest.raises(Unavailable, match="cannot be opened"):
        other.fetch(0, [b"a"])
    await one.on_rebalance(set(), {TP("changelog", 0)}, set())
    assert other.fetch(0, [b"a"]) == {b"a": b"1"}


def test_a_folder_that_cannot_be_written_is_not_now_and_works_again_later(tmp_path):
    blocked = tmp_path / "tables"
    blocked.write_text("a file where the folder should be")
    one = store(blocked)
    with pytest.raises(Unavailable, match="state folder"):
        one.put(0, {b"a": b"1"}, 1)
    blocked.unlink()
    one.put(0, {b"a": b"1"}, 1)
    assert one.fetch(0, [b"a"]) == {b"a": b"1"}
