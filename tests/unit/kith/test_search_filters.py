"""What the options of `kith search` become, and what people read of a reading."""

import pytest

from kith.commands.search import print_hits
from kith.commands.search_filters import parse_filter, read_rights, requested_filters
from kith.errors import InputError
from schemas.search_records import FilterOperator, QueryReading, ReadFilter, ReplyStatus, RequestFilter, SearchReply
from tests.kith_process import one_line_error, run


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("country:not_in:DE,AT", RequestFilter("country", FilterOperator.NOT_IN, ["DE", "AT"])),
        ('location:eq:"Berlin, Germany"', RequestFilter("location", FilterOperator.EQ, ["Berlin, Germany"])),
        ("years:at_most:3", RequestFilter("years", FilterOperator.AT_MOST, ["3"])),
        ("profile_id:eq:a:b:c", RequestFilter("profile_id", FilterOperator.EQ, ["a:b:c"])),
        (" skills : contains_all : Go , C ", RequestFilter("skills", FilterOperator.CONTAINS_ALL, ["Go", "C"])),
    ],
)
def test_a_condition_is_read(text, expected):
    assert parse_filter(text) == expected


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("country", "FIELD:OPERATOR:VALUE"),
        ("country:eq", "FIELD:OPERATOR:VALUE"),
        (":eq:x", "FIELD:OPERATOR:VALUE"),
        ('country:eq:"DE', "FIELD:OPERATOR:VALUE"),
        ("country:is:DE", "not_in, contains_any"),
        ("location:starts_with:Berlin", "no operator 'starts_with'"),
    ],
)
def test_what_is_no_condition_is_told_how_to_write_one(text, said):
    with pytest.raises(InputError) as refused:
        parse_filter(text)

    assert said in str(refused.value)


def test_a_wrong_condition_ends_the_command_before_anything_is_asked():
    done = run({"KITH_KAFKA_BOOTSTRAP": "127.0.0.1:1"}, "search", "bread", "--filter", "country:is:DE")
    assert "--filter country:is:DE" in one_line_error(done)
    assert done.returncode == 2


def test_every_option_becomes_a_filter():
    filters = requested_filters({"country": ["DE"], "industry": []}, ["Go"], ["pl"], 5, ["years:at_most:9"])

    assert [(one.field, one.operator.value, one.values) for one in filters] == [
        ("country", "in", ["DE"]),
        ("skills", "contains_all", ["Go"]),
        ("languages", "contains_any", ["pl"]),
        ("years", "at_least", ["5"]),
        ("years", "at_most", ["9"]),
    ]


def test_rights_come_out_of_a_file(tmp_path):
    file = tmp_path / "rights"
    file.write_text("a.b.c\n")

    assert read_rights(file) == "a.b.c"
    assert read_rights(None) is None
    with pytest.raises(InputError, match="nowhere cannot be read"):
        read_rights(tmp_path / "nowhere")


def test_a_reading_is_shown_with_the_words_that_said_it(capsys):
    read = ReadFilter("location", "starts_with", ["A", "B", "C", "D", "E"], "in A")

    print_hits(SearchReply(ReplyStatus.OK, reading=QueryReading("baker", [read])))
    assert capsys.readouterr().out.splitlines() == [
        'read "in A" as location starts_with A, B, C and 2 more',
        'searched for "baker"',
        "nobody found",
    ]
    print_hits(SearchReply(ReplyStatus.OK, reading=QueryReading("baker in A", [read], dropped=True)))
    assert "nobody meets this" in capsys.readouterr().out
