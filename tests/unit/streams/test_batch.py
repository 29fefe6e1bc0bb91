from hypothesis import given
from hypothesis import strategies as st

from schemas.records import Operation, ProfileChange
from streams.batch import bounded, newest_per_profile
from streams.incoming import Change, Incoming


def change(offset: int, profile_id: str, version: int | None) -> Change:
    incoming = Incoming("profile.changes", 0, offset, profile_id.encode(), b"" if version is not None else None)
    if version is None:
        return Change(incoming, profile_id, None)
    return Change(incoming, profile_id, ProfileChange(profile_id, version, 1, Operation.UPSERT))


events = st.lists(st.tuples(st.sampled_from("abc"), st.none() | st.integers(0, 5)), max_size=30).map(
    lambda pairs: [change(offset, *pair) for offset, pair in enumerate(pairs)]
)


@given(events)
def test_every_change_is_a_winner_or_a_loser_and_never_both(changes):
    winners, losers = newest_per_profile(changes)
    offsets = [c.incoming.offset for c in winners + losers]
    assert sorted(offsets) == list(range(len(changes)))
    assert len({c.profile_id for c in winners}) == len(winners)


@given(events)
def test_the_winner_is_what_one_at_a_time_would_leave(changes):
    held: dict[str, Change] = {}
    for c in changes:
        before = held.get(c.profile_id)
        lower = before is not None and None not in (c.version, before.version) and c.version < before.version
        if not lower:
            held[c.profile_id] = c
    winners, _ = newest_per_profile(changes)
    assert {c.profile_id: c.incoming.offset for c in winners} == {k: c.incoming.offset for k, c in held.items()}


def test_a_tombstone_wins_over_what_came_before_and_a_later_change_wins_over_it():
    winners, _ = newest_per_profile([change(0, "a", 9), change(1, "a", None)])
    assert winners[0].version is None
    winners, _ = newest_per_profile([change(0, "a", 9), change(1, "a", None), change(2, "a", 1)])
    assert winners[0].version == 1


@given(st.lists(st.integers(1, 50), max_size=60), st.integers(1, 8), st.integers(1, 100))
def test_pieces_keep_order_and_bounds(costs, max_items, max_tokens):
    pieces = list(bounded(costs, lambda cost: cost, max_items, max_tokens))
    assert [cost for piece in pieces for cost in piece] == costs
    assert all(len(piece) <= max_items for piece in pieces)
    assert all(sum(piece) <= max_tokens or len(piece) == 1 for piece in pieces)
