"""What an HTTP request becomes on the bus."""

import json
from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.codec import Codec
from schemas.rollouts import FeedbackAction, SearchFeedback
from schemas.search_records import (
    FilterOperator,
    RecordPlace,
    ReplyStatus,
    RequestFilter,
    SearchMode,
    SearchReply,
    SearchRequest,
)
from tests.fakes_bus import MemoryRegistry
from workers.gateway.messages import CODES, Refused, Timeouts, feedback, question, retry_after_s, trace

NOW = 1_700_000_000_000
TIMEOUTS = Timeouts(10.0, 30.0)
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
EVERYTHING = {
    "query": "who treats cancer?",
    "limit": 3,
    "filters": [{"field": "country", "operator": "in", "values": ["DE"]}],
    "with_matched_text": False,
    "deadline_at": NOW + 4000,
    "requester": "member-1",
    "cohort": "beta",
    "at_least": [{"topic": "profile.changes", "partition": 3, "offset": 17}],
    "offset": 20,
    "model": "student-v1",
    "mode": "hybrid",
    "read_query": False,
    "explain": True,
    "rights": "signed",
}


def asked(body, **headers):
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return question(json.dumps(body).encode(), named, NOW, TIMEOUTS)


def refused(body, **headers):
    with pytest.raises(Refused) as found:
        asked(body, **headers)
    return found.value


def test_every_field_of_the_contract_goes_through_under_its_name():
    assert {field.name for field in fields(SearchRequest)} == set(EVERYTHING)
    assert asked(EVERYTHING).request == SearchRequest(
        query="who treats cancer?",
        limit=3,
        filters=[RequestFilter("country", FilterOperator.IN, ["DE"])],
        with_matched_text=False,
        deadline_at=NOW + 4000,
        requester="member-1",
        cohort="beta",
        at_least=[RecordPlace("profile.changes", 3, 17)],
        offset=20,
        model="student-v1",
        mode=SearchMode.HYBRID,
        read_query=False,
        explain=True,
        rights="signed",
    )


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"query": "x", "colour": "red"}, "colour"),
        ({"limit": 3}, "query"),
        ({"query": "x", "limit": "3"}, "limit"),
        ({"query": "x", "filters": [{"field": "country", "operator": "like", "values": []}]}, "operator"),
        ([], "query"),
    ],
)
def test_a_body_that_breaks_the_contract_is_a_bad_request_that_names_the_field(body, named):
    error = refused(body)
    assert error.code == 400
    assert named in error.message or body == []


@pytest.mark.parametrize(
    ("body", "header", "timeout_s"),
    [
        ({}, None, 10.0),
        ({}, "2500", 2.5),
        ({"deadline_at": NOW + 4000}, None, 4.0),
        ({"deadline_at": NOW + 4000}, "2500", 2.5),
        ({"deadline_at": NOW + 1000}, "2500", 1.0),
        ({}, "30000", 30.0),
    ],
)
def test_the_earlier_deadline_counts_and_the_request_carries_it(body, header, timeout_s):
    headers = {} if header is None else {"x_request_timeout_ms": header}
    found = asked({"query": "x"} | body, **headers)
    assert (found.timeout_s, found.request.deadline_at) == (timeout_s, NOW + 1000 * timeout_s)


@pytest.mark.parametrize("header", ["", "soon", "-1", "0", "1.5", "30001", "9" * 30])
def test_a_deadline_that_is_none_or_too_far_is_refused(header):
    assert refused({"query": "x"}, x_request_timeout_ms=header).code == 400
    assert refused({"query": "x", "deadline_at": NOW + 30_001}).code == 400


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"limit": 2**31}, "limit"),
        ({"offset": -(10**20)}, "offset"),
        ({"deadline_at": 10**400}, "deadline_at"),
        ({"at_least": [{"topic": "t", "partition": 2**31, "offset": 0}]}, "at_least.0.partition"),
        ({"at_least": [{"topic": "t", "partition": 0, "offset": 2**63}]}, "at_least.0.offset"),
    ],
)
def test_numbers_that_no_record_can_hold_are_refused(body, named):
    error = refused({"query": "x"} | body)
    assert error.code == 400
    assert error.message.startswith(f"{named}: ")


def test_a_deadline_that_has_passed_is_expired_unasked():
    error = refused({"query": "x", "deadline_at": NOW})
    assert (error.code, error.status) == (504, ReplyStatus.EXPIRED)


def test_a_bearer_token_becomes_the_rights():
    assert asked({"query": "x"}).request.rights is None
    assert asked({"query": "x"}, authorization="bearer abc.def").request.rights == "abc.def"


@pytest.mark.parametrize("header", ["Basic dXNlcjpzZWNyZXQ=", "Bearer", "Bearer  ", "secret"])
def test_another_authorization_is_refused_without_being_repeated(header):
    error = refused({"query": "x"}, authorization=header)
    assert error.code == 401
    assert header.split()[-1] not in str(error) or header.strip() == "Bearer"


def test_rights_given_twice_are_refused():
    error = refused({"query": "x", "rights": "one"}, authorization="Bearer two")
    assert error.code == 400
    assert "one" not in str(error).split()
    assert "two" not in str(error).split()


def test_a_valid_trace_context_is_carried():
    carried = trace({"traceparent": PARENT, "tracestate": "vendor=1"})
    assert carried == (("traceparent", PARENT.encode()), ("tracestate", b"vendor=1"))
    assert trace({"traceparent": PARENT, "baggage": "tenant=7"}) == (
        ("traceparent", PARENT.encode()),
        ("baggage", b"tenant=7"),
    )
    assert trace({"traceparent": PARENT, "tracestate": "v=" + 511 * "1", "baggage": "a=" + 8192 * "b"}) == (
        ("traceparent", PARENT.encode()),
    )


@pytest.mark.parametrize(
    "parent",
    [
        "",
        "00-short-b7ad6b7169203331-01",
        PARENT.upper(),
        PARENT + "-more",
        "ff" + PARENT[2:],
        "00-" + "0" * 32 + "-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-" + "0" * 16 + "-01",
    ],
)
def test_an_invalid_trace_context_is_left_out_with_its_state(parent):
    assert trace({"traceparent": parent, "tracestate": "vendor=1"}) == ()


def test_every_status_has_a_code_of_its_own():
    assert set(CODES) == set(ReplyStatus)
    assert len(set(CODES.values())) == len(CODES)
    assert CODES[ReplyStatus.OVERLOADED] == 429


@pytest.mark.parametrize(
    ("status", "hint_ms", "seconds"),
    [
        (ReplyStatus.OVERLOADED, 1, 1),
        (ReplyStatus.OVERLOADED, 1001, 2),
        (ReplyStatus.OVERLOADED, None, 1),
        (ReplyStatus.UNAVAILABLE, None, 1),
        (ReplyStatus.OK, None, None),
        (ReplyStatus.BAD_REQUEST, None, None),
    ],
)
def test_retry_after_is_in_whole_seconds_and_only_where_it_helps(status, hint_ms, seconds):
    assert retry_after_s(SearchReply(status, retry_after_ms=hint_ms)) == seconds


def test_feedback_has_the_time_of_its_arrival_where_it_names_none():
    body = {"request_id": "r1", "profile_id": "p1", "model": "student-v1", "action": "connect"}
    expected = SearchFeedback("r1", "p1", "student-v1", FeedbackAction.CONNECT, NOW)
    assert feedback(json.dumps(body).encode(), NOW) == expected
    assert feedback(json.dumps(body | {"occurred_at": 5}).encode(), NOW).occurred_at == 5


@pytest.mark.parametrize(
    ("change", "named"), [({"action": "like"}, "action"), ({"more": 1}, "more"), ({"model": 1}, "model")]
)
def test_feedback_that_breaks_the_contract_names_the_field(change, named):
    body = {"request_id": "r1", "profile_id": "p1", "model": "student-v1", "action": "connect"} | change
    with pytest.raises(Refused, match=named):
        feedback(json.dumps(body).encode(), NOW)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(sorted(EVERYTHING)), inner, max_size=3),
    max_leaves=6,
)
_CODEC = Codec(MemoryRegistry())


@given(
    st.dictionaries(st.sampled_from([*EVERYTHING, "more"]), _JSON | st.integers(-(2**70), 2**70), max_size=4),
    st.dictionaries(
        st.sampled_from(["authorization", "x-request-timeout-ms", "traceparent", "tracestate"]), st.text(max_size=60)
    ),
)
def test_whatever_comes_is_refused_or_fits_the_bus(changes, headers):
    body = json.dumps({"query": "x"} | changes).encode()
    try:
        found = question(body, headers, NOW, TIMEOUTS)
    except Refused:
        return
    assert 0 < found.timeout_s <= TIMEOUTS.most_s
    assert _CODEC.decode(_CODEC.encode("s", found.request), SearchRequest) == found.request
