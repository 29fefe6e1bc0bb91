import math

import pytest

from workers.batch_time import BatchTime


def learnt(*worked):
    one = BatchTime()
    for requests, took_ms in worked:
        one.learn(requests, took_ms)
    return one


def test_before_anything_was_learnt_everything_takes_no_time():
    one = BatchTime()
    assert one.foretold_ms(16) == 0
    assert one.most_within(10) == math.inf


def test_time_whatever_the_size_and_for_each_request_are_told_apart():
    one = learnt(*[(size, 8 + 6 * size) for _ in range(10) for size in (1, 4, 9, 16)])
    assert one.foretold_ms(16) == pytest.approx(104, rel=0.05)
    assert one.foretold_ms(2) == pytest.approx(20, rel=0.05)
    assert one.most_within(50) == pytest.approx(7, rel=0.05)


def test_one_size_alone_is_foretold_as_it_was_and_a_larger_one_takes_half_as_much_more_for_each():
    one = learnt(*[(4, 40)] * 20)
    assert one.foretold_ms(4) == pytest.approx(40)
    assert one.foretold_ms(8) == pytest.approx(60)


def test_where_the_least_time_is_too_long_smaller_micro_batches_would_not_help():
    one = learnt(*[(size, 150 + size) for _ in range(10) for size in (1, 4, 9, 16)])
    assert one.most_within(25) > 100


def test_what_gets_slower_is_believed_sooner_than_what_gets_faster():
    usual = [(4, 40)] * 20
    assert learnt(*usual, (4, 70)).foretold_ms(4) > 55
    assert learnt(*usual, (4, 10)).foretold_ms(4) > 35
    assert learnt(*usual, (4, 100), *usual).foretold_ms(4) == pytest.approx(40, rel=0.25)


def test_one_that_was_held_up_is_not_taken_for_the_rule_and_many_are():
    usual = [(size, 8 + 6 * size) for size in (1, 2, 1, 3)] * 10
    once = learnt(*usual, (1, 900))
    assert once.foretold_ms(1) < 30
    assert once.most_within(50) > 4
    assert learnt(*usual, *[(1, 900)] * 12).foretold_ms(1) > 500


def test_a_larger_one_is_never_foretold_to_be_faster():
    one = learnt(*[(1, 30), (2, 10)] * 10)
    assert one.foretold_ms(16) >= one.foretold_ms(1) > 0


def test_micro_batches_of_nobody_have_a_time_too():
    one = learnt((0, 12), (0, 12))
    assert one.foretold_ms(3) == pytest.approx(12)
