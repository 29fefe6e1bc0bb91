"""Search by words on Milvus: the fields of its BM25 function, what is asked of them, and what comes back. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pymilvus import CollectionSchema, DataType, Function, FunctionType

from workers.contract import Asked, WordHit
from workers.keyword_ranking import K1, B
from workers.limits import WORDS_LIMIT
from workers.milvus_rows import OUTPUT_FIELDS, WORDS_FIELD, to_hit

BM25_FIELD = "words_bm25"
BM25_INDEX: Mapping[str, Any] = {
    "index_type": "SPARSE_INVERTED_INDEX",
    "metric_type": "BM25",
    "params": {"bm25_k1": K1, "bm25_b": B},
}
WORD_OUTPUT_FIELDS = (*OUTPUT_FIELDS, WORDS_FIELD)


def add_word_fields(schema: CollectionSchema) -> None:
    """Let the server make the words' sparse vectors out of `words`, whenever a row is written."""
    # Every server has this tokenizer, and no filter is needed: the words come plain.
    analyzer = {"tokenizer": "standard"}
    schema.add_field(
        WORDS_FIELD,
        DataType.VARCHAR,
        max_length=WORDS_LIMIT.max_bytes,
        enable_analyzer=True,
        analyzer_params=analyzer,
    )
    schema.add_field(BM25_FIELD, DataType.SPARSE_FLOAT_VECTOR)
    schema.add_function(Function(BM25_FIELD, FunctionType.BM25, [WORDS_FIELD], [BM25_FIELD]))


def has_word_fields(described: Mapping[str, Any]) -> bool:
    """Whether rows of a described collection hold words."""
    return any(field["name"] == WORDS_FIELD for field in described["fields"])


def queries_of(question: Asked, *, names_apart: bool) -> list[str]:
    """What is searched for a question; nothing where it has no words.

    Args:
        names_apart: ask for whole names once more without their words: where a segment's scores do not compare with
            another's, a name in a small segment would be behind everybody who shares a word of it.
    """
    words = [spelling for word in question.words for spelling in word]
    if not words:
        return []
    whole = " ".join((*words, *question.names))
    return [whole, " ".join(question.names)] if names_apart and question.names else [whole]


def merged(results: Sequence[Sequence[Mapping[str, Any]]]) -> list[WordHit]:
    """The profiles of one question's searches, each once."""
    found = (WordHit(to_hit(one), one["entity"][WORDS_FIELD]) for result in results for one in result)
    return list({one.hit.profile_id: one for one in found}.values())
