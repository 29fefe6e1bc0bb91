"""How a dead letter stands on its topic: key and headers, the same for changes and for requests."""

from __future__ import annotations

from schemas import headers
from schemas.records import DeadLetter


def letter_key(letter: DeadLetter) -> bytes:
    """Key of a dead letter: the record that it is of. What comes again replaces it, and a tombstone closes it."""
    return f"{letter.topic}:{letter.partition}:{letter.offset}".encode()


def dead_letter_headers(letter: DeadLetter) -> headers.Headers:
    """The same facts as headers, under the names that Kafka Connect's tools know."""
    return [
        (headers.DEAD_LETTER_TOPIC, letter.topic.encode()),
        (headers.DEAD_LETTER_PARTITION, str(letter.partition).encode()),
        (headers.DEAD_LETTER_OFFSET, str(letter.offset).encode()),
        (headers.DEAD_LETTER_STAGE, letter.stage.encode()),
        (headers.DEAD_LETTER_CLASS, letter.error_class.encode()),
        (headers.DEAD_LETTER_MESSAGE, letter.message.encode()),
    ]
