from dataclasses import dataclass

from confluent_kafka import Message

from schemas.search_records import SearchRequest
from workers.waiting_requests import WaitingRequests

NOW = 1_000_000


@dataclass(frozen=True)
class Asked:
    message: Message
    request: SearchRequest

    @property
    def partition(self):
        return self.message.partition()


def asked(offset, partition=0, deadline_at=NOW + 5000):
    message = Message(topic="requests", partition=partition, offset=offset, value=b"")
    return Asked(message, SearchRequest("bread", deadline_at=deadline_at))


def test_what_waits_is_given_out_once_and_what_went_elsewhere_not_at_all():
    waiting, records = WaitingRequests(), [asked(n, partition=n % 2) for n in range(4)]
    assert all(waiting.put(one, NOW) for one in records)
    waiting.forget([1])
    assert waiting.due() == [records[0], records[2]]
    assert waiting.due() == []


def test_nobody_waits_past_the_deadline_or_in_any_number():
    waiting = WaitingRequests()
    assert not waiting.put(asked(0, deadline_at=NOW + 100), NOW)
    assert not waiting.put(asked(0, deadline_at=None), NOW)
    assert all(waiting.put(asked(n), NOW) for n in range(1000))
    assert not waiting.put(asked(1000), NOW)
    assert len(waiting) == 1000
