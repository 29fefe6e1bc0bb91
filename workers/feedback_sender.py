"""Feedback onto `search.feedback`, acknowledged by every in-sync replica."""

from __future__ import annotations

from concurrent.futures import Future
from types import TracebackType
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from kith.aside import Aside
from kith.deadline import Deadline
from kith.errors import Unavailable
from schemas.codec import Codec
from schemas.rollouts import FeedbackAction, SearchFeedback
from schemas.topics import Topics
from schemas.validation import validate_feedback

_POLL_S = 0.1
_ROOM = 10_000
_ACKNOWLEDGED_MS = 5_000
_FLUSH_S = 5.0
# How often the brokers are asked whether they are there, and how long they may take.
_LOOK_EVERY_S = 5.0
_LOOK_TIMEOUT_S = 2.0


class FeedbackSender(Aside):
    """Publishes feedback; entered, a thread of its own hears what became of it. Any thread may send.

    Args:
        config: librdkafka configuration to reach the cluster.
    """

    def __init__(self, config: dict[str, Any], codec: Codec, topics: Topics) -> None:
        super().__init__("feedback", self._run)
        self._codec = codec
        self._topic = topics.feedback
        self._bootstrap = config["bootstrap.servers"]
        self._producer = Producer(
            config
            | {
                "enable.idempotence": True,
                "linger.ms": 5,
                "message.timeout.ms": _ACKNOWLEDGED_MS,
                "queue.buffering.max.messages": _ROOM,
                "log_level": 0,
            }
        )
        self._reason: str | None = None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)
        self._producer.flush(_FLUSH_S)

    def learn(self) -> None:
        """Fetch the contract's id from the registry (blocking): after this, `submit` waits for nobody.

        Raises:
            kith.errors.InputError: the registry refuses the contract.
            Unavailable: it does not answer.
        """
        self._codec.encode(self._topic.subject, SearchFeedback("", "", "", FeedbackAction.VIEW, 0))

    def submit(self, told: SearchFeedback) -> Future[None]:
        """Send feedback; the result says that it was acknowledged, or is the `Unavailable` that it was not.

        Raises:
            kith.errors.InputError: it breaks a rule of `validate_feedback`.
            Unavailable: too much is waiting to be sent.
        """
        validate_feedback(told)
        sent: Future[None] = Future()

        def delivered(error: KafkaError | None, _message: Message) -> None:
            if error is None:
                sent.set_result(None)
            else:
                sent.set_exception(self._away(error.str()))

        value = self._codec.encode(self._topic.subject, told)
        try:
            self._producer.produce(self._topic.name, value, on_delivery=delivered)
        except BufferError:
            raise self._away("too much waits to be sent") from None
        except KafkaException as error:
            raise self._away(error.args[0].str()) from error
        return sent

    def reason(self) -> str | None:
        """Why the brokers take nothing now, as of the last look; None when they do."""
        return self._reason

    def _run(self) -> None:
        look = Deadline.after(_LOOK_EVERY_S)
        while not self.ended.is_set():
            self._producer.poll(_POLL_S)
            if look.expired():
                self._reason = self._look()
                look = Deadline.after(_LOOK_EVERY_S)

    def _look(self) -> str | None:
        try:
            found = self._producer.list_topics(self._topic.name, timeout=_LOOK_TIMEOUT_S).topics[self._topic.name]
        except KafkaException as error:
            return f"Kafka at {self._bootstrap} does not answer ({error.args[0].str()})."
        return None if found.error is None else f"The topic {self._topic.name} does not exist."

    def _away(self, said: str) -> Unavailable:
        return Unavailable(
            f"Kafka at {self._bootstrap} did not take the feedback: {said}.", "Check that the brokers are up."
        )
