import pytest

from benchmarks.cpu_seconds import Sample, between, longest_pause
from benchmarks.unit_cost_file import DOCUMENTS, blocks


def samples(*done, every_s=0.5):
    return [Sample(every_s * n, count, {"a": 0.1 * n, "b": 1.0}) for n, count in enumerate(done)]


def test_a_window_lies_between_the_first_samples_at_both_counts():
    window = between(samples(0, 0, 10, 50, 90, 100), 10, 90)
    assert window.done == 80
    assert window.per_s == pytest.approx(80.0)
    assert window.cpu_s == {"a": pytest.approx(0.2 / 80), "b": 0.0}


def test_a_window_without_two_samples_is_refused():
    with pytest.raises(ValueError, match="No two samples"):
        between(samples(0, 100), 10, 90)


def test_the_longest_pause_is_between_two_samples_that_had_something_done():
    assert longest_pause(samples(0, 1, 1, 1, 2, 3, 3), since=0.0) == pytest.approx(1.5)


def test_a_pause_counts_from_the_moment_that_is_given():
    assert longest_pause(samples(0, 1, 1, 1, 2, 3), since=1.4) == pytest.approx(0.6)


def test_nothing_done_is_no_pause():
    assert longest_pause(samples(0, 0, 0), since=0.0) == 0.0


def test_blocks_of_a_document_are_found_with_words_in_quotes(tmp_path):
    document = tmp_path / "a.md"
    document.write_text('x\n<!-- kith plan --section "Two words" -->\n| a |\n<!-- end of the plan -->\ny\n')
    assert blocks(document) == [(["plan", "--section", "Two words"], "| a |\n")]
    assert all(blocks(one) for one in DOCUMENTS)
