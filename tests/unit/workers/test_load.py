import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.search_records import SearchRequest
from workers.load import LIMIT, MATCHED_TEXT, RequestQueue, lightened


def queue(batch=4, most_wait_ms=100.0):
    return RequestQueue(batch, most_wait_ms, lambda item: item % 2, lambda: 0.5)


class Server:
    """A queue whose micro-batches take 4 ms and 4 a request, under so many arrivals a batch of at most 4."""

    def __init__(self):
        self.now_s = 0.0
        self.queue = RequestQueue(4, 100.0, lambda _item: 0, lambda: 0.5, lambda: self.now_s)
        for size in (1, 4) * 20:
            self.queue.worked(4 + 4 * size, size)

    def run(self, arrivals, batches):
        """How long those that were let in waited for their turn, milliseconds; and how many were refused."""
        waited, refused = [], 0
        for _ in range(batches):
            refused += sum(not self.queue.offer(self.now_s) for _ in range(arrivals))
            taken = self.queue.take()
            waited += [round(1000 * (self.now_s - came)) for came in taken]
            refused += len(self.queue.shed())
            took_ms = 4 + 4 * len(taken)
            self.now_s += took_ms / 1000
            self.queue.worked(took_ms, len(taken))
        return waited, refused


def offered(one, count):
    return [one.offer(number) for number in range(count)]


def test_as_many_wait_as_can_be_begun_in_time():
    one = queue()
    one.worked(60, 4)
    # Batches begin after 0 and 60 milliseconds; the third one would after 120.
    assert offered(one, 12) == [True] * 8 + [False] * 4
    assert one.take() == [0, 1, 2, 3]
    assert one.offer(12)


def test_before_anything_was_worked_on_only_the_memory_bounds_what_waits():
    one = queue()
    assert all(offered(one, 4096))
    assert not one.offer(4096)


def test_slower_batches_leave_less_room_and_faster_ones_more():
    slow, fast = queue(), queue()
    for _ in range(30):
        slow.worked(90, 4)
        fast.worked(9, 4)
    assert (sum(offered(slow, 200)), sum(offered(fast, 200))) == (8, 48)


def test_a_burst_after_small_batches_is_believed_to_be_slow_soon():
    one = queue()
    for _ in range(30):
        one.worked(5, 1)
    for _ in range(3):
        one.worked(50, 4)
    assert sum(offered(one, 200)) == 8


def test_a_batch_is_never_refused_whole_however_long_one_takes():
    one = queue()
    one.worked(5000, 4)
    assert offered(one, 5) == [True] * 4 + [False]


def test_after_a_first_micro_batch_that_was_held_up_the_next_ones_are_not_refused():
    one = RequestQueue(16, 200.0, lambda _item: 0, lambda: 0.5)
    one.worked(900, 1)
    assert all(offered(one, 15))
    assert one.pressure() == 0, "nor lighter"
    assert one.offer(15)
    one.take()
    assert not one.overloaded()


def test_who_was_refused_is_asked_to_come_after_what_waits_and_not_all_at_once():
    one = queue()
    one.worked(60, 4)
    offered(one, 9)
    assert one.retry_after_ms() == 170
    assert queue().retry_after_ms() == 50


def test_what_came_from_a_partition_that_went_elsewhere_is_left_out():
    one = queue()
    offered(one, 4)
    one.forget([1])
    assert one.take() == [0, 2]


@given(st.lists(st.integers(0, 60), min_size=1, max_size=40), st.sampled_from([5.0, 40.0, 250.0]))
def test_nobody_who_was_let_in_waits_longer_than_is_allowed(arrivals, batch_ms):
    """So many come while each batch is worked on; all batches take the same."""
    one, now_ms, came_at = queue(), 0.0, {}
    one.worked(batch_ms, 4)
    for count in arrivals:
        for _ in range(count):
            number = len(came_at)
            came_at[number] = now_ms if one.offer(number) else None
        for number in one.take():
            assert now_ms - came_at[number] <= 100
        now_ms += batch_ms
        one.worked(batch_ms, 4)


def test_a_burst_waits_and_is_answered():
    server = Server()
    assert server.run(20, 1) == ([0] * 4, 0)
    waited, refused = server.run(0, 2)
    assert (len(waited), max(waited), refused) == (8, 40, 0)
    assert not server.queue.overloaded()


def test_under_an_overload_that_lasts_those_who_are_let_in_wait_a_short_time():
    server = Server()
    server.run(12, 40)
    began_s = server.now_s
    waited, refused = server.run(12, 50)
    assert max(waited) <= 12
    assert (len(waited), refused) == (100, 500)
    assert len(waited) / (server.now_s - began_s) == pytest.approx(2 / 0.012)
    assert server.queue.pressure() >= 1, "and their answers are light"


def test_a_surplus_that_lasts_is_an_overload_before_it_fills_a_micro_batch():
    server = Server()
    server.run(5, 3)
    assert len(server.queue) == 3
    assert not server.queue.overloaded()
    server.run(4, 3)
    assert server.queue.overloaded()


def test_under_an_overload_that_lasts_micro_batches_are_short():
    now_s = [0.0]
    one = RequestQueue(8, 100.0, lambda _item: 0, lambda: 0.5, lambda: now_s[0])
    for size in (1, 8) * 20:
        one.worked(2 + 3 * size, size)
    offered(one, 21)
    assert len(one.take()) == 7, "a quarter of the longest wait"
    now_s[0] += 0.1
    offered(one, 14)
    assert len(one.take()) == 7
    assert one.overloaded()
    assert len(one.take()) == 4, "15 ms"
    while one.take():
        pass
    assert offered(one, 6) == [True] * 4 + [False] * 2


def test_who_waits_when_an_overload_turns_out_to_last_is_told_then():
    now_s = [0.0]
    one = RequestQueue(8, 100.0, lambda _item: 0, lambda: 0.5, lambda: now_s[0])
    for size in (1, 8) * 20:
        one.worked(2 + 3 * size, size)
    offered(one, 21)
    one.take()
    assert one.shed() == [], "a burst may wait"
    now_s[0] += 0.1
    one.take()
    assert (one.overloaded(), len(one)) == (True, 7)
    assert len(one.shed()) == 3
    assert len(one.take()) == 4
    assert one.shed() == []


def test_after_an_overload_bursts_may_wait_again():
    server = Server()
    server.run(12, 60)
    server.run(2, 120)
    assert not server.queue.overloaded()
    assert server.run(20, 1)[1] == 0


def test_a_load_that_is_just_carried_is_no_overload():
    server = Server()
    _waited, refused = server.run(4, 200)
    assert (refused, server.queue.overloaded()) == (0, False)


def test_under_load_answers_get_lighter_and_say_so():
    whole = SearchRequest("bread", limit=50)
    assert lightened(whole, 0.5) == (whole, [])
    some, left_out = lightened(whole, 0.6)
    assert (some.with_matched_text, some.limit, left_out) == (False, 50, [MATCHED_TEXT])
    few, left_out = lightened(whole, 0.8)
    assert (few.with_matched_text, few.limit, left_out) == (False, 10, [MATCHED_TEXT, LIMIT])
    plain = SearchRequest("bread", limit=5, with_matched_text=False)
    assert lightened(plain, 5.0) == (plain, [])
