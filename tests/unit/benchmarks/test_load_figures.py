import json
import random

import pytest

from benchmarks.paced_changes import Settled, middle_rate, percentiles, poisson
from benchmarks.query_concurrency import Asked, row
from benchmarks.query_load import Answer, Answers
from benchmarks.replay import lines, row_of
from schemas.records import Outcome, Profile
from schemas.search_records import ReplyStatus
from workers.render import renderer

render = renderer("profile-text-1")


def test_random_moments_rise_within_the_time_and_come_at_the_rate():
    moments = list(poisson(200.0, 50.0, random.Random(1)))
    assert moments == sorted(moments)
    assert moments[0] > 0
    assert moments[-1] < 50
    # Four standard deviations of a Poisson count of 10,000.
    assert abs(len(moments) - 10_000) < 400


def test_random_moments_are_as_uneven_as_a_poisson_process():
    moments = list(poisson(100.0, 100.0, random.Random(2)))
    counts = [sum(second <= moment < second + 1 for moment in moments) for second in range(100)]
    mean = sum(counts) / 100
    assert 0.6 < sum((count - mean) ** 2 for count in counts) / 99 / mean < 1.6


def test_the_rate_of_a_backlog_leaves_its_ends_out():
    slow_ends = [0, *range(10_000, 10_990, 10), 99_999]
    settled = [Settled(0, at, Outcome.INDEXED) for at in slow_ends]
    assert middle_rate(settled) == pytest.approx(100.0)


def test_too_few_changes_have_no_rate():
    with pytest.raises(ValueError, match="3 changes are too few"):
        middle_rate([Settled(0, 5, Outcome.INDEXED)] * 3)


def test_percentiles_of_nothing_are_refused():
    assert percentiles([1.0, 2.0, 3.0])["p50_ms"] == 2.0
    assert percentiles([1.0, 2.0, 3.0])["most_ms"] == 3.0
    with pytest.raises(ValueError, match="Nothing"):
        percentiles([])


@pytest.mark.parametrize("share", [0, 30, 90, 100])
def test_so_many_percent_of_a_file_keep_their_text_and_nobody_keeps_everything(share):
    people = {f"p{n}": Profile(f"Name {n}", headline=f"Diver {n}") for n in range(200)}
    before = dict(people)
    written = [json.loads(line) for line in lines(people, share, "round 1")]
    assert [one["profile_id"] for one in written] == list(before)
    assert len({one["version"] for one in written}) == 1
    same = sum(render(people[who]) == render(profile) for who, profile in before.items())
    assert same == 2 * share
    assert all(people[who] != profile for who, profile in before.items())
    assert all(one["headline"] == people[one["profile_id"]].headline for one in written)


def test_a_ratio_is_of_one_round_and_the_median_of_these():
    def took(rate):
        return {
            "records_per_s": rate,
            "records": 10,
            "embedded": 3,
            "unchanged": 7,
            "whole_s": 1.0,
            "others_cores": 0.1,
            "alone_per_s": 100.0,
        }

    # The machine was half as fast in the second round: the ratio is not touched by it.
    rounds = [{0.0: took(100.0), 90.0: took(300.0)}, {0.0: took(50.0), 90.0: took(150.0)}]
    row = row_of(90.0, [one[90.0] for one in rounds], rounds)
    assert (row["times_the_first"], row["records_per_s"], row["least_per_s"]) == (3.0, 225.0, 150.0)


def asked(*statuses):
    every = [Answer(0.0, 0.25 * (number + 1), status, degraded=number == 0) for number, status in enumerate(statuses)]
    return Asked(Answers(every), rates=[4.0], others=[0.0], seconds=2.0)


def test_latencies_are_of_answers_and_the_rest_is_counted():
    told = row("idle", 4, asked(ReplyStatus.OK, ReplyStatus.OVERLOADED, ReplyStatus.OK, "no reply"))
    assert (told["count"], told["lighter"], told["refused"], told["failed"]) == (2, 1, 1, 1)
    assert (told["p50_ms"], told["most_ms"]) == (500.0, 750.0)


def test_nobody_answered_is_a_figure_and_not_the_end_of_a_run():
    told = row("indexing", 128, asked(ReplyStatus.OVERLOADED, "no reply"))
    assert (told["count"], told["refused"], told["failed"]) == (0, 1, 1)
    assert told["p99_ms"] is None
