import pytest
from hypothesis import given
from hypothesis import strategies as st

from kith.deadline import Deadline
from kith.errors import InputError, Unavailable
from schemas.records import Stage
from tests.fakes import BagOfWordsEmbedder, BruteForceIndex
from workers.contract import Applied, Delete, Held, ProfileFields, Refresh, Rejected, Upsert
from workers.indexing import ModelIndexer, each_or_rejected


def upsert(profile_id, text="Engineer."):
    return Upsert(profile_id, 1, ProfileFields(name="n"), text)


class PickyIndex(BruteForceIndex):
    """Refuses a whole batch that holds a bad row, as Milvus does."""

    def upsert(self, collection, rows, timeout_s):
        if any(row.profile_id.startswith("bad") for row in rows):
            raise InputError("a row is bad")
        super().upsert(collection, rows, timeout_s)


async def test_one_result_per_operation_in_order_and_one_bad_row_costs_no_other():
    index = PickyIndex()
    indexer = ModelIndexer(BagOfWordsEmbedder(), index, "c")
    index.rows["gone"] = object()
    batch = [upsert("a"), Delete("gone", 2), upsert("bad1"), upsert("b"), upsert("bad2")]
    results = await indexer.apply(batch, Deadline.after(5), Held())
    assert [type(result) for result in results] == [Applied, Applied, Rejected, Applied, Rejected]
    assert results[0].vector.shape == (16,)
    assert results[1].vector is None
    assert (results[2].stage, results[2].message) == (Stage.WRITE, "a row is bad")
    assert set(index.rows) == {"a", "b"}


async def test_repeating_a_batch_is_harmless():
    index = BruteForceIndex()
    indexer = ModelIndexer(BagOfWordsEmbedder(), index, "c")
    for _ in range(2):
        await indexer.apply([upsert("a"), Delete("b", 1)], Deadline.after(5), Held())
    assert set(index.rows) == {"a"}


async def test_spent_time_is_unavailable_and_nothing_is_written():
    index = BruteForceIndex()
    with pytest.raises(Unavailable):
        await ModelIndexer(BagOfWordsEmbedder(), index, "c").apply([upsert("a")], Deadline.after(0), Held())
    assert index.rows == {}


async def test_ids_that_are_not_unique_are_a_bug_and_said_to_be_one():
    with pytest.raises(AssertionError, match="bug"):
        await ModelIndexer(BagOfWordsEmbedder(), BruteForceIndex(), "c").apply(
            [upsert("a"), Delete("a", 1)], Deadline.after(5), Held()
        )


@given(st.lists(st.booleans(), max_size=40))
def test_exactly_the_refused_items_are_rejected(refused):
    def work(piece):
        if any(piece):
            raise InputError("no")
        return ["done"] * len(piece)

    results = each_or_rejected(refused, work, Stage.EMBED)
    assert [isinstance(result, Rejected) for result in results] == refused


async def test_a_vector_of_another_text_is_not_taken_for_the_own():
    """A crash left the row of a change that the table never heard of; the next change takes its text back."""
    index, embedder = BruteForceIndex(), BagOfWordsEmbedder()
    indexer = ModelIndexer(embedder, index, "c")
    fields = ProfileFields(name="n")
    await indexer.apply([Upsert("a", 2, fields, "Roofer."), upsert("b", "Baker.")], Deadline.after(5), Held())
    embedder.calls.clear()
    back = [Refresh("a", 3, fields, "Baker."), Refresh("b", 2, fields, "Baker.")]
    assert (await indexer.look_up(back[:1], Deadline.after(5))).vectors == {}, "what stands there is the roofer's"
    assert list((await indexer.look_up(back, Deadline.after(5))).vectors) == ["Baker."], "that of b is the text's"
    held = await indexer.look_up(back[:1], Deadline.after(5))
    results = [
        *await indexer.apply(back[:1], Deadline.after(5), held),
        *await indexer.apply(back[1:], Deadline.after(5), held),
    ]
    assert embedder.calls == [1, 1], "what was not looked up is made"
    assert (results[0].vector == results[1].vector).all()
    assert (index.rows["a"].vector == index.rows["b"].vector).all()


async def test_a_vector_that_is_not_seen_at_once_is_looked_for_again_and_not_made_again():
    index, embedder = BruteForceIndex(), BagOfWordsEmbedder()
    indexer = ModelIndexer(embedder, index, "c")
    await indexer.apply(
        [upsert("a", "Roofer."), upsert("b", "Baker."), upsert("c", "Nurse.")], Deadline.after(5), Held()
    )
    before = dict(index.rows)
    await indexer.apply([upsert("a", "Diver."), upsert("d", "Judge.")], Deadline.after(5), Held())
    index.a_moment_ago = before
    embedder.calls.clear()
    fields = ProfileFields(name="n")
    texts = {"a": "Diver.", "b": "Baker.", "d": "Judge."}
    vectors = {profile_id: index.rows[profile_id].vector for profile_id in texts}
    batch = [Refresh(one, 2, fields, text) for one, text in texts.items()]
    held = await indexer.look_up(batch, Deadline.after(5))
    results = await indexer.apply(batch, Deadline.after(5), held)
    assert (embedder.calls, index.newest) == ([], [False, True])
    assert all((result.vector == vectors[one]).all() for one, result in zip(texts, results, strict=True))


async def test_what_the_index_holds_newer_stays_while_it_may_be_ahead():
    """A crash left more in the index than in the table, and the records come again cut otherwise."""
    index = BruteForceIndex()
    indexer = ModelIndexer(BagOfWordsEmbedder(), index, "c")
    fields = ProfileFields(name="n")
    newer = [Upsert(profile_id, 6, fields, "Baker.") for profile_id in ("a", "b", "c")]
    await indexer.apply(newer, Deadline.after(5), Held())
    batch = [
        Upsert("a", 5, fields, "Roofer."),
        Refresh("b", 5, fields, "Roofer."),
        Delete("c", 5),
        Upsert("d", 5, fields, "Roofer."),
    ]
    held = await indexer.look_up(batch, Deadline.after(5), may_be_ahead={"a", "b", "c", "d"})
    assert held.newer == {"a", "b", "c"}
    results = await indexer.apply(batch, Deadline.after(5), held)
    assert {profile_id: row.version for profile_id, row in index.rows.items()} == {"a": 6, "b": 6, "c": 6, "d": 5}
    assert {row.text for row in index.rows.values()} == {"Baker.", "Roofer."}
    # The vector of an operation is that of its own text, and not of what the index holds.
    assert (results[1].vector == results[3].vector).all()
    await indexer.apply(batch, Deadline.after(5), Held())
    assert {profile_id: row.version for profile_id, row in index.rows.items()} == {"a": 5, "b": 5, "d": 5}
