"""Two hundred ask at once while query consumers are killed and started: to each its own reply, or none in time."""

import random
import threading
import time
from collections import Counter, defaultdict

import pytest
from confluent_kafka import Consumer, TopicPartition

from kith import wiring
from kith.errors import Unavailable
from kith.services.process import pause
from schemas import headers
from schemas.search_records import FilterOperator, ReplyStatus, RequestFilter, SearchReply, SearchRequest
from tests.integration.accounting import waiting
from tests.integration.bus import upsert
from tests.waiting import wait_until

pytestmark = pytest.mark.timeout(600)

PEOPLE, ASKERS, CLIENTS, CONSUMERS = 40, 200, 4, 2
FOR_S, TIMEOUT_S = 90.0, 10.0


class Askers:
    """Threads that ask, each after its last reply; what became of every request."""

    def __init__(self, settings):
        self.clients = [wiring.search_client(settings) for _ in range(CLIENTS)]
        self.ended = threading.Event()
        self.outcomes = Counter()
        self.wrong, self.early = [], []
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self._ask, args=[number]) for number in range(ASKERS)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        for thread in self.threads:
            thread.join(2 * TIMEOUT_S)
        for client in self.clients:
            client.close()

    def _ask(self, number):
        client, chance = self.clients[number % CLIENTS], random.Random(number)
        while not self.ended.is_set():
            who = f"person-{chance.randrange(PEOPLE)}"
            only = [RequestFilter("profile_id", FilterOperator.EQ, [who])]
            began = time.monotonic()
            try:
                reply = client.ask(SearchRequest(f"who is {who}?", filters=only, with_matched_text=False), TIMEOUT_S)
            except Unavailable:
                outcome, late = "no reply", time.monotonic() - began
                if late < TIMEOUT_S:
                    self.early.append(late)
            else:
                outcome = reply.status.value
                if reply.status is ReplyStatus.OK and [hit.profile_id for hit in reply.hits] != [who]:
                    self.wrong.append((who, reply))
                if reply.retry_after_ms is not None:
                    self.ended.wait(reply.retry_after_ms / 1000)
            with self.lock:
                self.outcomes[outcome] += 1


def replies_by_id(settings):
    """Every reply on the bus, by correlation id."""
    name, codec, found = wiring.topics(settings).replies.name, wiring.codec(settings), defaultdict(list)
    consumer = Consumer(settings.kafka_client(**{"group.id": "all-replies", "enable.auto.commit": False}))
    for number in consumer.list_topics(name, timeout=10).topics[name].partitions:
        low, high = consumer.get_watermark_offsets(TopicPartition(name, number), timeout=10)
        consumer.assign([TopicPartition(name, number, low)])
        while low < high:
            message = consumer.poll(10)
            assert message is not None
            low = message.offset() + 1
            reply = codec.decode(message.value(), SearchReply)
            found[headers.header(message.headers(), headers.CORRELATION_ID)].append(reply)
    consumer.close()
    codec.close()
    return found


def test_everybody_gets_their_own_reply_while_consumers_come_and_go(settings, worker, bus):
    worker(settings, "index")
    bus.send(*(upsert(f"person-{number}", f"Baker of loaf {number}") for number in range(PEOPLE)))
    wait_until(lambda: waiting(settings), lambda left: left == 0)
    consumers = [worker(settings, "serve") for _ in range(CONSUMERS)]
    chance, kills, until = random.Random(11), 0, time.monotonic() + FOR_S
    with Askers(settings) as askers:
        while time.monotonic() < until:
            pause(chance.uniform(2, 8))
            one = chance.randrange(CONSUMERS)
            if chance.random() < 0.7:
                consumers[one].kill()
            else:
                consumers[one].terminate()
            kills += 1
            pause(chance.uniform(0, 3))
            consumers[one] = worker(settings, "serve")
        answered = askers.outcomes["ok"]
        wait_until(lambda: askers.outcomes["ok"], lambda count: count > answered + ASKERS)

    assert askers.wrong == [], "somebody got the reply to another question"
    assert askers.early == [], "somebody gave up before the deadline"
    assert askers.outcomes.keys() <= {"ok", "overloaded", "expired", "no reply"}, askers.outcomes
    found = replies_by_id(settings)
    repeated = sum(len(replies) > 1 for replies in found.values())
    people = {hit.profile_id for replies in found.values() for reply in replies for hit in reply.hits}
    assert len(people) == PEOPLE
    for replies in found.values():
        # A consumer that was killed between reply and offset is repeated by another: the same answer.
        hits = {tuple(hit.profile_id for hit in one.hits) for one in replies if one.status is ReplyStatus.OK}
        assert len(hits) <= 1, replies
    print(f"\n{kills} kills and restarts: {dict(askers.outcomes)}; replies {len(found):,}, repeated {repeated}")
    assert askers.outcomes["ok"] > 1000
