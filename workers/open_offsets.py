"""Which records a group's offset may pass: those that are done, with none before them that is not. Pure."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from confluent_kafka import Message


@dataclass(slots=True)
class _Partition:
    open: set[int] = field(default_factory=set)
    done: dict[int, Message] = field(default_factory=dict)


class OpenOffsets:
    """Follows the records of the partitions that a member holds, from when they are taken until they are passed."""

    def __init__(self) -> None:
        self._held: dict[int, _Partition] = {}

    def take(self, message: Message) -> None:
        """A record that has to be done before the offset may pass it."""
        partition, offset = place(message)
        self._held.setdefault(partition, _Partition()).open.add(offset)

    def done(self, message: Message) -> None:
        """It is done; one of a partition that was forgotten since is left out."""
        partition, offset = place(message)
        held = self._held.get(partition)
        if held is not None and offset in held.open:
            held.open.discard(offset)
            held.done[offset] = message

    def passed(self) -> list[Message]:
        """The last record of each partition that the offset may pass now; each is given once."""
        out = []
        for held in self._held.values():
            first = min(held.open, default=None)
            free = [offset for offset in held.done if first is None or offset < first]
            if free:
                out.append(held.done[max(free)])
                for offset in free:
                    del held.done[offset]
        return out

    def forget(self, partitions: Collection[int]) -> None:
        """These went to another member, which takes again what was not passed."""
        for partition in partitions:
            self._held.pop(partition, None)


def place(message: Message) -> tuple[int, int]:
    """Partition and offset of a consumed record."""
    partition, offset = message.partition(), message.offset()
    if partition is None or offset is None:
        raise AssertionError("A message without its place. This is a bug.")
    return partition, offset
