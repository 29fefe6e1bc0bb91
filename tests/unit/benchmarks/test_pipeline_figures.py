import subprocess
import sys

import psutil
import pytest

from benchmarks import backlog
from benchmarks.backlog import Sample, Watched, middle
from benchmarks.cpu_shares import Moment
from benchmarks.trend import trend


def sample(at: float, rows: int) -> Sample:
    threads = {1: 0.1 * at, 2: 0.5 * at, 3: 0.4 * at, 4: 0.2 * at}
    return Sample(rows, Moment(at, {"broker": 0.25 * at}, threads, main=1))


def test_a_rate_is_that_of_the_middle_and_not_of_start_and_end():
    samples = [sample(0, 0), sample(10, 100), sample(11, 300), sample(14, 900), sample(60, 1000)]
    done = middle([samples], 1000)
    assert done.per_s == pytest.approx(200)
    assert done.cores == pytest.approx(
        {"broker": 0.25, "first thread": 0.1, "two busiest others": 0.9, "other threads": 0.2}
    )


def test_a_backlog_that_was_done_between_two_looks_has_no_rate():
    with pytest.raises(ValueError, match="too few"):
        middle([[sample(0, 0), sample(1, 1000)]], 1000)


def test_nothing_of_the_time_in_which_a_consumer_stood_still_counts():
    before = [sample(0, 0), sample(10, 100), sample(12, 400)]
    after = [sample(112, 400), sample(115, 900), sample(116, 1000)]
    done = middle([before, after], 1000)
    assert done.per_s == pytest.approx(800 / 5)
    assert done.cores["broker"] == pytest.approx(0.25)
    assert done.cores["two busiest others"] == pytest.approx(0.9)


class Filling:
    """A collection that gets another hundred rows each time that it is asked."""

    rows = 0

    def count(self, _collection, _timeout_s):
        self.rows += 100
        return self.rows

    def processes(self):
        return {}


def test_a_consumer_stands_still_while_another_works_and_goes_on_after_it(monkeypatch):
    monkeypatch.setattr(backlog, "_STRETCH_S", 0.1)
    monkeypatch.setattr(backlog, "_EVERY_S", 0.04)
    consumer = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    filling, seen = Filling(), []

    def between(rows):
        seen.append((rows, psutil.Process(consumer.pid).status()))

    try:
        done = Watched(filling, filling, "profiles", between).until(2000, lambda: consumer, 30)
        assert psutil.Process(consumer.pid).status() != psutil.STATUS_STOPPED
    finally:
        consumer.kill()
        consumer.wait()
    assert len(seen) > 1
    assert {status for _rows, status in seen} == {psutil.STATUS_STOPPED}
    assert done.per_s > 0


def test_a_series_that_only_trembles_is_flat_and_one_that_creeps_is_not():
    at = list(range(60))
    assert trend(at, [100 + one % 7 for one in at]).flat
    creeping = trend(at, [100 + one for one in at])
    assert not creeping.flat
    assert creeping.change == pytest.approx(59)
