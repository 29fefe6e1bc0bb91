from types import SimpleNamespace

import pytest
from faust.types import TP
from yarl import URL

from kith.errors import Unavailable
from streams.state_store import SCHEME, StateStore
from streams.topic_reader import Stored


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


def changelog(*records):
    """Reads records as `read_topic` does, each partition from its offset on; and notes what was asked."""
    asked = []

    def read(since):
        asked.append(dict(since))
        yield from (one for one in records if one.partition in since and one.offset >= since[one.partition])

    return read, asked


async def test_what_is_assigned_catches_up_from_where_it_was(tmp_path):
    records = [Stored(0, n, b"k%d" % (n % 7000), b"%d" % n) for n in range(12_000)]
    records += [
        Stored(0, 12_000, b"k1", None),
        Stored(1, 4, b"a", b"4"),
        Stored(1, 5, b"a", b"5"),
        Stored(2, 0, b"x", b"0"),
    ]
    one = store(tmp_path)
    one.put(1, {b"a": b"4"}, 4)
    read, asked = changelog(*records)
    one.catches_up_by(read)
    other = TP("changes", 2)
    await one.on_rebalance(set(), set(), {TP("changelog", 0), TP("changelog", 1), other})
    assert asked == [{0: 0, 1: 5}]
    assert one.fetch(0, [b"k0", b"k1", b"k6999"]) == {b"k0": b"7000", b"k6999": b"6999"}
    assert (one.fetch(1, [b"a"]), one.fetch(2, [b"x"])) == ({b"a": b"5"}, {})
    assert [one.persisted_offset(TP("changelog", n)) for n in range(3)] == [12_000, 5, None]


async def test_where_the_changelog_cannot_be_read_the_table_stays_as_it_was_for_recovery_to_go_on(tmp_path):
    def read(since):
        yield Stored(0, 7, b"a", b"7")
        raise Unavailable("Kafka sends nothing.")

    one = store(tmp_path)
    one.put(0, {b"a": b"1"}, 1)
    one.catches_up_by(read)
    await one.on_rebalance(set(), set(), {TP("changelog", 0)})
    assert (one.fetch(0, [b"a"]), one.persisted_offset(TP("changelog", 0))) == ({b"a": b"1"}, 1)
