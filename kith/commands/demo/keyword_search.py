"""What a keyword search finds: BM25 over the same texts, to stand beside the search by meaning."""

from __future__ import annotations

from collections.abc import Sequence

import bm25s


class KeywordSearch:
    """BM25 (Robertson variant, k1=1.5, b=0.75) over texts, English stop words left out.

    Args:
        ids, texts: one text per id.
    """

    def __init__(self, ids: Sequence[str], texts: Sequence[str]) -> None:
        self._ids = list(ids)
        self._bm25 = bm25s.BM25(k1=1.5, b=0.75)
        self._bm25.index(bm25s.tokenize(list(texts), stopwords="en", show_progress=False), show_progress=False)

    def best(self, query: str, limit: int) -> list[str]:
        """Ids of the best `limit` texts that share a word with the query; may be fewer, or none."""
        tokens = bm25s.tokenize(query, stopwords="en", show_progress=False)
        found, scores = self._bm25.retrieve(tokens, k=min(limit, len(self._ids)), show_progress=False)
        return [self._ids[i] for i, score in zip(found[0], scores[0], strict=True) if score > 0]
