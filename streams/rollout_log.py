"""Where rollouts stand, on a compacted topic: query consumers follow it, and any machine may take the next step."""

from __future__ import annotations

from typing import Any

from kith.deadline import Deadline
from kith.errors import InputError
from schemas.codec import Codec
from schemas.rollouts import Rollout
from schemas.topics import Topic
from streams.publisher import Outgoing, Publisher
from streams.topic_reader import read_topic


class RolloutLog:
    """The rollouts of an installation.

    Args:
        config: librdkafka configuration to reach the cluster.
        timeout_s: for the acknowledgement of what is published, seconds.
    """

    def __init__(
        self, config: dict[str, Any], codec: Codec, topic: Topic, publisher: Publisher, *, timeout_s: float
    ) -> None:
        self._config = config
        self._codec = codec
        self._topic = topic
        self._publisher = publisher
        self._timeout_s = timeout_s

    def all(self) -> list[Rollout]:
        """The newest state of each rollout, in the order in which they were started.

        Raises:
            kith.errors.Unavailable: Kafka or the registry does not answer.
        """
        found: dict[str, Rollout] = {}
        for stored in read_topic(self._config, self._topic.name):
            if stored.value is not None:
                one = self._codec.decode(stored.value, Rollout)
                found[one.candidate] = one
        return sorted(found.values(), key=lambda one: one.started_at)

    def of(self, candidate: str) -> Rollout | None:
        """The rollout of a release; None when there was none. Raises as `all`."""
        return next((one for one in self.all() if one.candidate == candidate), None)

    def running(self) -> Rollout | None:
        """The one that has not ended, of which there is at most one. Raises as `all`."""
        return next((one for one in self.all() if one.running), None)

    def last(self) -> Rollout:
        """The one that was started last.

        Raises:
            InputError: there was none.
            kith.errors.Unavailable: Kafka or the registry does not answer.
        """
        found = self.all()
        if not found:
            raise InputError("There is no rollout.", "Begin one with `kith rollout start RELEASE`.")
        return found[-1]

    def save(self, rollout: Rollout) -> None:
        """Write where a rollout is. Raises `kith.errors.Unavailable`."""
        value = self._codec.encode(self._topic.subject, rollout)
        outgoing = Outgoing(self._topic.name, rollout.candidate.encode(), value)
        self._publisher.publish([outgoing], Deadline.after(self._timeout_s))
