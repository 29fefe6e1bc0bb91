"""A client of the query consumer: asks over the bus and waits for the reply that carries its correlation id."""

from __future__ import annotations

import random
import uuid
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from kith.deadline import Deadline
from kith.errors import InputError, Unavailable
from schemas import headers
from schemas.access import SEARCH_GROUP
from schemas.codec import Codec
from schemas.search_records import SearchReply, SearchRequest
from schemas.topics import Topics

_CONNECT_S = 5.0


class SearchClient:
    """Asks one question at a time. It reads one partition of the reply topic, from its end, outside of any group.

    Raises:
        Unavailable: Kafka or its reply topic is not there.
    """

    def __init__(self, config: dict[str, Any], codec: Codec, topics: Topics) -> None:
        self._codec = codec
        self._requests = topics.requests
        self._replies = topics.replies
        self._bootstrap = config["bootstrap.servers"]
        quiet = config | {"log_level": 0}
        self._producer = Producer(quiet | {"linger.ms": 0, "message.timeout.ms": 10_000})
        self._consumer = Consumer(
            quiet
            | {
                "group.id": SEARCH_GROUP,
                "enable.auto.commit": False,
                "fetch.wait.max.ms": 100,
                "auto.offset.reset": "latest",
            }
        )
        self._refused: KafkaError | None = None
        self._partition = self._listen()

    def ask(self, request: SearchRequest, timeout_s: float) -> SearchReply:
        """The reply to a request.

        Raises:
            InputError: a text of the request is not valid Unicode, or Kafka refuses the request for good.
            Unavailable: none came in time.
        """
        try:
            value = self._codec.encode(self._requests.subject, request)
        except UnicodeEncodeError as error:
            raise InputError("The request is not valid Unicode text.", "Give its words in UTF-8.") from error
        deadline = Deadline.after(timeout_s)
        correlation_id = uuid.uuid4().bytes
        self._producer.produce(
            self._requests.name,
            value,
            headers=[
                (headers.REPLY_TOPIC, self._replies.name.encode()),
                (headers.REPLY_PARTITION, headers.pack_partition(self._partition)),
                (headers.CORRELATION_ID, correlation_id),
            ],
            on_delivery=self._delivered,
        )
        self._producer.poll(0)
        while not deadline.expired():
            message = self._consumer.poll(min(0.2, deadline.remaining()))
            if message is not None and _answers(message, correlation_id):
                return self._codec.decode(message.value() or b"", SearchReply)
            self._producer.poll(0)
            if self._refused is not None:
                raise InputError(
                    f"Kafka at {self._bootstrap} refuses the request: {self._refused.str()}.",
                    "Grant what `kith topics acls --role client` shows, if it is the right to write.",
                )
        raise Unavailable(
            f"No reply within {timeout_s:g} s on {self._replies.name} at {self._bootstrap}.",
            "Is the query consumer running? `kith status` tells; `kith serve` runs one.",
        )

    def close(self) -> None:
        """Drop the connections, the codec's included."""
        self._consumer.close()
        self._codec.close()
        self._producer.flush(1.0)

    def _delivered(self, error: KafkaError | None, _message: Message) -> None:
        if error is not None and error.code() != KafkaError._MSG_TIMED_OUT:  # noqa: SLF001 - their name for it
            self._refused = error

    def _listen(self) -> int:
        try:
            topic = self._consumer.list_topics(self._replies.name, timeout=_CONNECT_S).topics[self._replies.name]
            if topic.error is not None or not topic.partitions:
                raise Unavailable(
                    f"The topic {self._replies.name} does not exist, or this user may not read it.",
                    "Run `kith topics apply`, or grant what `kith topics acls --role client` shows.",
                )
            partition = random.choice(sorted(topic.partitions))
            # The end is asked for now: a reply that comes before the first poll must not be missed.
            _low, end = self._consumer.get_watermark_offsets(
                TopicPartition(self._replies.name, partition), timeout=_CONNECT_S
            )
        except KafkaException as error:
            raise Unavailable(
                f"Kafka at {self._bootstrap} does not answer ({error.args[0].str()}).",
                "Check KITH_KAFKA_BOOTSTRAP and that the brokers are up.",
            ) from error
        self._consumer.assign([TopicPartition(self._replies.name, partition, end)])
        return int(partition)


def _answers(message: Message, correlation_id: bytes) -> bool:
    return message.error() is None and headers.header(message.headers(), headers.CORRELATION_ID) == correlation_id
