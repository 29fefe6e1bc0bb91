"""What became of the changes that were settled in the last moments, from the receipts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from schemas.codec import Codec
from schemas.records import Outcome, Receipt
from schemas.topics import Topics
from streams.clock import now_ms
from streams.topic_reader import offsets_at, read_topic, topic_ends


def recent_outcomes(
    config: dict[str, Any], codec: Codec, topics: Topics, model: str, since_s: float, most: int
) -> Mapping[Outcome, int]:
    """Receipts of a model by their outcome; every outcome has its number.

    Args:
        config: librdkafka configuration to reach the cluster.
        since_s: of the last so many seconds.
        most: read at most about so many receipts, the newest ones.

    Raises:
        kith.errors.Unavailable: Kafka or the registry does not answer.
    """
    name = topics.receipts.name
    ends = topic_ends(config, name)
    begin = offsets_at(config, name, now_ms() - int(1000 * since_s))
    each = max(1, most // max(1, len(ends)))
    found: Counter[Outcome] = Counter()
    since = {number: max(at, ends.get(number, at) - each) for number, at in begin.items()}
    for stored in read_topic(config, name, since, until=ends):
        if stored.value is not None:
            receipt = codec.decode(stored.value, Receipt)
            if receipt.model == model:
                found[receipt.outcome] += 1
    return {outcome: found[outcome] for outcome in Outcome}
