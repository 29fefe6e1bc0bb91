"""What the brokers say of holes in the offsets."""

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from kith.errors import Unavailable
from streams.back_pressure import BackPressure
from streams.continuity import Continuity, KafkaLog, RecordsLeftOutError
from streams.incoming import Incoming
from tests.waiting import wait_until


def written_in_transactions(settings, topic, times):
    """Each transaction ends with a marker, which takes an offset."""
    producer = Producer(settings.kafka_client() | {"transactional.id": f"{topic}-writer"})
    producer.init_transactions(30)
    for number in range(times):
        producer.begin_transaction()
        producer.produce(topic, f"{number}".encode(), b"k", partition=0)
        producer.commit_transaction(30)


def committed(log, *places):
    """As the indexer asks: a group that is new has no coordinator for a moment."""

    def ask():
        try:
            return log.committed(places)
        except Unavailable:
            return None

    return wait_until(ask, lambda found: found is not None)


async def test_transactions_leave_holes_and_the_commit_is_where_it_begins(settings):
    config, topic, group = settings.kafka_client(), f"{settings.topic_prefix}profile.changes", "continuity"
    written_in_transactions(settings, topic, 3)
    log = KafkaLog(config, f"{settings.topic_prefix}{group}")
    assert [log.first_offset(topic, 0, since) for since in range(5)] == [0, 2, 2, 4, 4]
    assert committed(log, (topic, 0)) == {}
    consumer = Consumer(config | {"group.id": f"{settings.topic_prefix}{group}"})
    consumer.commit(offsets=[TopicPartition(topic, 0, 2)], asynchronous=False)
    consumer.close()
    assert committed(log, (topic, 0), (topic, 1)) == {(topic, 0): 2}
    first, second = Incoming(topic, 0, 2, b"k", b"1"), Incoming(topic, 0, 4, b"k", b"2")
    assert (await Continuity(log, BackPressure(0.1, 5)).follow([first, second])).records == [first, second]
    continuity = Continuity(log, BackPressure(0.1, 5), patience_s=0.1)
    assert (await continuity.follow([second])).early == [second]
    with pytest.raises(RecordsLeftOutError):
        await continuity.missing_come()


def test_brokers_that_are_away_are_waited_for():
    log = KafkaLog({"bootstrap.servers": "127.0.0.1:1"}, "g", timeout_s=1)
    with pytest.raises(Unavailable, match="does not tell the offsets"):
        log.committed([("changes", 0)])
    with pytest.raises(Unavailable, match="no answer in time"):
        log.first_offset("changes", 0, 0)
