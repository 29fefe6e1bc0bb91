"""`search.feedback` joined with `search.impressions` by request id, with bounded memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from hashlib import blake2b
from typing import Any, TypeVar

from schemas.codec import Codec, DecodeError
from schemas.registry import UnknownSchema
from schemas.rollouts import FeedbackAction, SearchFeedback
from schemas.search_records import SearchImpression
from schemas.topics import Topic, Topics
from streams.feedback_sums import FeedbackSums
from streams.scratch import Scratch
from streams.topic_reader import Ends, offsets_at, read_topic, topic_ends, topic_starts

_KindT = TypeVar("_KindT")

# Told the topic, how many of its records were read, and of how many.
Said = Callable[[str, int, int], None]

_LETTERS = {action: action.value[0] for action in FeedbackAction}
_ACTIONS = {letter: action for action, letter in _LETTERS.items()}
_ID_BYTES = 16
_SAY_EVERY = 1000


class FeedbackJoin:
    """Reads feedback first, then impressions: what feedback is on was shown before, so its impression is there.

    Feedback and the ids of impressions lie in a temporary folder, some 60 bytes each; memory holds the sums.

    Args:
        config: librdkafka configuration to reach the cluster.
    """

    def __init__(self, config: dict[str, Any], codec: Codec, topics: Topics, said: Said) -> None:
        self._config = config
        self._codec = codec
        self._feedback = topics.feedback
        self._impressions = topics.impressions
        self._said = said

    def run(self, since_ms: int | None = None) -> FeedbackSums:
        """The sums of impressions from a moment on (milliseconds since the epoch, UTC), or of all that are there.

        Raises:
            kith.errors.InputError: the moment lies in the future.
            kith.errors.Unavailable: Kafka or the registry does not answer.
        """
        sums = FeedbackSums()
        with Scratch() as scratch:
            join = _Join(scratch, sums, since_ms or 0)
            begin = {} if since_ms is None else offsets_at(self._config, self._feedback.name, since_ms)
            for told in self._records(self._feedback, SearchFeedback, begin, {}, sums):
                join.keep(told)
            begin = {} if since_ms is None else offsets_at(self._config, self._impressions.name, since_ms)
            for shown in self._records(self._impressions, SearchImpression, begin, {}, sums):
                join.take(shown)
            if begin and join.open():
                for shown in self._records(self._impressions, SearchImpression, {}, begin, sums):
                    join.take(shown)
            sums.without = join.left
        return sums

    def _records(
        self, topic: Topic, kind: type[_KindT], begin: Ends, until: Ends, sums: FeedbackSums
    ) -> Iterator[_KindT]:
        """What a topic holds from `begin` up to `until`; without them from its first record to its last."""
        starts, ends = topic_starts(self._config, topic.name), topic_ends(self._config, topic.name)
        stretches = {p: (max(begin.get(p, 0), starts[p]), min(until.get(p, end), end)) for p, end in ends.items()}
        total = sum(max(0, end - first) for first, end in stretches.values())
        done = 0
        for stored in read_topic(self._config, topic.name, begin, until=until):
            done += 1
            if done % _SAY_EVERY == 0:
                self._said(topic.name, done, max(total, done))
            try:
                yield self._codec.decode(stored.value or b"", kind)
            except (DecodeError, UnknownSchema):
                sums.unreadable += 1
        self._said(topic.name, done, max(total, done))


class _Join:
    """Feedback kept by request, and taken by its impression.

    Ids are kept as digests: whoever writes feedback chooses them, and a key of any length would be theirs to choose.
    """

    def __init__(self, scratch: Scratch, sums: FeedbackSums, since_ms: int) -> None:
        self._scratch = scratch
        self._sums = sums
        self._since_ms = since_ms
        # Feedback that no impression took.
        self.left: Counter[FeedbackAction] = Counter()

    def open(self) -> bool:
        """Whether feedback is left."""
        return self.left.total() > 0

    def keep(self, told: SearchFeedback) -> None:
        key = f"f{_digest(told.request_id)}{_digest(told.profile_id)}{_LETTERS[told.action]}"
        if self._scratch.get(key) is not None:
            self._sums.duplicates += 1
            return
        self._scratch.put(key, told.model.encode())
        self.left[told.action] += 1

    def take(self, shown: SearchImpression) -> None:
        request = _digest(shown.request_id)
        if self._scratch.get(f"i{request}") is not None:
            self._sums.repeated += 1
            return
        self._scratch.put(f"i{request}", b"")
        told = self._told(request, shown.model, count_models=shown.answered_at >= self._since_ms)
        for actions in told.values():
            self.left.subtract(actions)
        if shown.answered_at < self._since_ms:
            for actions in told.values():
                self._sums.earlier.update(actions)
            return
        by_id: dict[str, list[FeedbackAction]] = {}
        for hit in shown.hits if told else ():
            if actions := told.pop(_digest(hit.profile_id), []):
                by_id[hit.profile_id] = actions
        self._sums.take(shown, by_id)
        for actions in told.values():
            self._sums.not_shown.update(actions)

    def _told(self, request: str, model: str, *, count_models: bool) -> dict[str, list[FeedbackAction]]:
        """What was done with hits of a request, by the digest of the profile's id."""
        found: dict[str, list[FeedbackAction]] = {}
        prefix = f"f{request}"
        for key, named in self._scratch.starting_with(prefix):
            profile, letter = key[len(prefix) : -1], key[-1]
            found.setdefault(profile, []).append(_ACTIONS[letter])
            self._sums.other_model += count_models and named.decode() != model
        return found


def find_impression(
    config: dict[str, Any], codec: Codec, topics: Topics, request_id: str, said: Said
) -> SearchImpression | None:
    """The impression of a request; None when there is none (yet).

    Raises:
        kith.errors.Unavailable: Kafka or the registry does not answer.
    """
    topic = topics.impressions
    total = _records_held(config, topic)
    for done, stored in enumerate(read_topic(config, topic.name), start=1):
        if done % _SAY_EVERY == 0:
            said(topic.name, done, max(total, done))
        if stored.key == request_id.encode() and stored.value is not None:
            return codec.decode(stored.value, SearchImpression)
    return None


def _records_held(config: dict[str, Any], topic: Topic) -> int:
    starts: Mapping[int, int] = topic_starts(config, topic.name)
    return sum(end - starts[p] for p, end in topic_ends(config, topic.name).items())


def _digest(text: str) -> str:
    return blake2b(text.encode(), digest_size=_ID_BYTES).hexdigest()
