from streams.ahead import Turns
from streams.incoming import Change, Incoming


def change(profile_id, offset, partition=0):
    return Change(Incoming("changes", partition, offset, profile_id.encode(), None), profile_id, None)


def stands(turns, at, *changes):
    return turns.stands(at, [one.incoming for one in changes], changes)


def settle(turns, *changes):
    turns.settled([one.incoming for one in changes], changes)


def test_a_decision_stands_while_what_is_settled_since_is_of_others_and_before_it():
    turns = Turns()
    at = turns.now
    assert stands(turns, at, change("a", 0))
    settle(turns, change("a", 0), change("b", 1))
    assert stands(turns, at, change("c", 2))
    assert stands(turns, at, change("c", 0, partition=1))
    assert not stands(turns, at, change("c", 2), change("a", 3)), "what is known of a profile moved"
    assert not stands(turns, at, change("c", 1)), "the same record came twice"


def test_a_record_that_is_no_change_is_decided_again_where_it_came_twice():
    turns, garbage = Turns(), Incoming("changes", 0, 5, b"k", b"?")
    at = turns.now
    turns.settled([garbage], [])
    assert not turns.stands(at, [garbage], [])


def test_a_decision_does_not_outlive_two_turns_or_the_loss_of_partitions():
    turns = Turns()
    at = turns.now
    settle(turns, change("a", 0))
    settle(turns, change("b", 1))
    assert not stands(turns, at, change("c", 2))
    at = turns.now
    turns.forget()
    assert not stands(turns, at, change("c", 2))
    assert stands(turns, turns.now, change("c", 2))
