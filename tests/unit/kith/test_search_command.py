import pytest
from typer.testing import CliRunner

from kith.cli import app
from kith.commands.search import print_hits
from schemas.search_records import Explanation, ReplyHit, ReplyStatus, SearchReply
from tests.kith_process import one_line_error, run


def test_what_a_profile_says_is_printed_and_never_taken_for_markup(capsys):
    hit = ReplyHit("p", 1, 0.5, "[/red]Ada", "[bold]x[/nosuch]", "", "DE", "", "", "[link=x]text")
    print_hits(SearchReply(ReplyStatus.OK, hits=[hit], model="student-v0", collection="c", embed_ms=1, search_ms=2))
    said = capsys.readouterr().out
    assert "[/red]Ada" in said
    assert "DE" in said, "the country stands in for a place that is not given"
    assert "student-v0 on c: embed 1 ms, search 2 ms" in said


def test_an_explained_hit_shows_its_ranks(capsys):
    why = Explanation(semantic_rank=3, semantic_score=0.25, keyword_rank=None, keyword_score=None)
    hit = ReplyHit("p", 1, 0.016, "Ada", "", "", "", "", "", "", why)
    print_hits(SearchReply(ReplyStatus.OK, hits=[hit], model="m", collection="c", mode="hybrid"))
    said = capsys.readouterr().out
    assert "by meaning" in said
    assert "by words" in said
    assert "3. (0.250)" in said
    assert "m on c (hybrid)" in said


def test_a_mode_that_is_none_is_named():
    done = run({"KITH_KAFKA_BOOTSTRAP": "127.0.0.1:1"}, "search", "bread", "--mode", "fuzzy")
    assert "--mode fuzzy is no mode" in one_line_error(done)
    assert done.returncode == 2


def test_nobody_found_is_said(capsys):
    print_hits(SearchReply(ReplyStatus.OK))
    assert capsys.readouterr().out == "nobody found\n"


@pytest.mark.parametrize("seconds", ["0", "-1", "nan", "inf", "121"])
def test_a_timeout_that_is_none_is_named(seconds):
    done = run({"KITH_KAFKA_BOOTSTRAP": "127.0.0.1:1"}, "search", "bread", "--timeout", seconds)
    assert "--timeout is" in one_line_error(done)
    assert done.returncode == 2


@pytest.mark.parametrize("verb", ["search", "serve"])
def test_help_has_an_example(verb):
    shown = CliRunner().invoke(app, [verb, "--help"])
    assert shown.exit_code == 0
    assert f"kith {verb}" in shown.output.split("Example")[1]
