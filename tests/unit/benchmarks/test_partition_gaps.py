from benchmarks.partition_gaps import Told, longest_stalls, summary


def told(partition, *moments):
    return [Told(partition, came, settled) for came, settled in moments]


def test_a_stall_is_the_time_in_which_records_waited_and_none_was_settled():
    busy = told(0, (0, 10), (10, 20), (15, 520), (500, 530))
    assert longest_stalls(busy, 0, 1000) == {0: 500}


def test_a_partition_to_which_nothing_came_did_not_stall():
    idle = told(3, (0, 10), (9000, 9010))
    assert longest_stalls(idle, 0, 10_000) == {3: 10}


def test_each_partition_counts_alone_and_only_within_the_time_that_is_looked_at():
    both = told(0, (0, 100), (0, 5000), (5000, 5010)) + told(1, (5000, 5001), (5001, 5300))
    assert longest_stalls(both, 5005, 6000) == {0: 10, 1: 299}
    assert summary({0: 10, 1: 299}) == {"longest_s": 0.3, "shortest_s": 0.01}
