"""Traces of a process: off unless a receiver is set, and never in the way of work when they are on."""

import logging
import subprocess
import sys

import pytest
from opentelemetry import trace as otel
from opentelemetry.semconv._incubating.attributes import messaging_attributes
from opentelemetry.semconv.attributes import error_attributes, http_attributes, service_attributes
from structlog.testing import capture_logs

from kith import span_names, traces
from kith.errors import SettingsError
from kith.services.ports import LOOPBACK, free_port
from kith.settings import Settings, load_settings
from kith.traces import Kind, SharedSpan
from kith.wiring_traces import recording
from tests.kith_process import ROOT, one_line_error, run
from tests.otlp_receiver import OtlpReceiver
from tests.recorded import SAMPLED, TRACE_ID, recorded

CAME = {"traceparent": SAMPLED.decode(), "tracestate": "vendor=1"}
SERVES = "kith.cli, kith.wiring_indexer, kith.wiring_serving, kith.client, streams.app, workers.query_consumer"
WITHOUT = (
    "import sys; sys.modules['opentelemetry.sdk'] = None; sys.argv = ['kith', 'serve'];"
    " from kith.cli import main; main()"
)


def begun(name="work", kind=Kind.INTERNAL, context=CAME):
    return traces.begin(name, kind, context, {})


def test_with_traces_off_nothing_is_recorded_and_nothing_of_opentelemetry_is_imported():
    assert not traces.are_on()
    assert begun() is None
    assert traces.onwards(None, {}) == {}
    assert traces.exemplar(None) is None
    code = f"import sys, {SERVES}\nfrom kith.settings import Settings\nfrom kith.wiring_traces import recording\n"
    code += (
        "with recording(Settings(), 'query'): print(sorted(n for n in sys.modules if n.startswith('opentelemetry')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"
    gateway = "import sys, kith.wiring_gateway; print('opentelemetry.sdk' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", gateway], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "False", "FastAPI brings the API, and no more"


@pytest.mark.parametrize(
    "endpoint", ["collector:4318", "grpc://collector:4317", "http://", "http://user:s3cret@collector", "http://c/?a=b"]
)
def test_a_receiver_that_is_none_is_refused_by_name(endpoint):
    with pytest.raises(SettingsError, match="traces_endpoint must be http://host:port") as caught:
        load_settings(traces_endpoint=endpoint)
    assert "s3cret" not in str(caught.value)


def test_a_share_that_is_none_is_refused_by_name():
    assert "traces_sample" in one_line_error(run({"KITH_TRACES_SAMPLE": "1.5"}, "settings"))


def test_a_receiver_without_the_extra_is_one_line_and_exit_code_2():
    given = ["/usr/bin/env", "KITH_TRACES_ENDPOINT=http://localhost:4318"]
    done = subprocess.run(
        [*given, sys.executable, "-c", WITHOUT], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert done.stderr == (
        "kith: KITH_TRACES_ENDPOINT is set, and OpenTelemetry's SDK is not installed. "
        "Install kith[tracing], or leave the setting empty.\n"
    )
    assert done.returncode == 2


@pytest.mark.parametrize("path", ["", "/", "/v1/traces", "/otlp/v1/traces"])
def test_what_is_recorded_is_at_the_receiver_when_the_process_ends(path):
    with OtlpReceiver() as receiver:
        with recording(Settings(traces_endpoint=receiver.url + path), "query", "g"):
            span = begun("process t", Kind.CONSUMER)
            with SharedSpan("embed", [span]):
                pass
            span.end()
            with recording(Settings(traces_endpoint="http://127.0.0.1:1"), "second"):
                assert traces.are_on()
            assert traces.are_on(), "a process records once"
        assert not traces.are_on()
        found = receiver.trace(f"{TRACE_ID:032x}")
    assert [(service, span.name) for service, span in found] == [("kith-query", "embed"), ("kith-query", "process t")]
    assert receiver.paths == {path if path.strip("/") else "/v1/traces"}


@pytest.mark.parametrize("status", [None, 400])
def test_a_receiver_that_takes_nothing_is_a_warning_and_nothing_else(status, caplog):
    with OtlpReceiver() as receiver, capture_logs() as said, caplog.at_level(logging.DEBUG, logger="opentelemetry"):
        receiver.refuse = status
        url = receiver.url if status else f"http://{LOOPBACK}:{free_port()}"
        with recording(Settings(traces_endpoint=url), "query"):
            for _ in range(3):
                begun().end()
    warnings = [one for one in said if one["log_level"] == "warning"]
    assert [one["event"] for one in warnings if "reason" in one] == ["traces are not exported"]
    assert all(one["endpoint"].startswith(url) for one in warnings)
    assert [one for one in caplog.records if one.levelno >= logging.WARNING] == [], "said once, by us"


def test_a_receiver_that_comes_back_is_told_once(caplog):
    from kith.tracing import _ToldExporter

    with OtlpReceiver() as receiver, capture_logs() as said, recorded() as seen:
        begun().end()
        exporter = _ToldExporter(f"{receiver.url}/v1/traces")
        for receiver.refuse in (400, 400, None, None, 400):
            exporter.export(seen.spans)
        exporter.shutdown()
    away, back = "traces are not exported", "traces are exported again"
    assert [one["event"] for one in said] == [away, back, away]
    assert "400" in said[0]["reason"]


def test_a_trace_that_begins_here_and_is_not_recorded_says_so_to_the_next():
    with recorded(sample=0.0):
        declined = traces.onwards(None, {})
        assert declined["traceparent"].endswith("-00")
        assert begun(context=declined) is None
        assert traces.onwards(None, CAME) == CAME
    with recorded(sample=0.0) as seen:
        span = begun()
        assert traces.onwards(span, {})["tracestate"] == "vendor=1"
        assert traces.exemplar(span) == {"trace_id": f"{TRACE_ID:032x}"}
        span.end("Unavailable")
    (one,) = seen.spans
    assert (one.status.status_code.name, one.attributes["error.type"]) == ("ERROR", "Unavailable")


def test_a_span_that_the_caller_has_open_is_the_parent_of_what_begins_without_a_context():
    with recorded() as seen:
        outer = begun("service")
        with otel.use_span(outer._span):
            begun("ask", Kind.CLIENT, {}).end()
        outer.end()
    assert seen.one("ask").parent.span_id == seen.one("service").context.span_id


def test_a_context_that_is_not_valid_begins_a_new_trace():
    with recorded() as seen:
        for parent in ("garbage", "00-" + "0" * 32 + "-b7ad6b7169203331-01", "\xff"):
            begun(context={"traceparent": parent}).end()
    assert [span.parent for span in seen.spans] == [None] * 3
    assert len({span.context.trace_id for span in seen.spans}) == 3


def test_attributes_are_named_as_the_conventions_name_them():
    standard = {
        value
        for module in (messaging_attributes, http_attributes, error_attributes, service_attributes)
        for name, value in vars(module).items()
        if name.isupper() and isinstance(value, str)
    }
    ours = {value for name, value in vars(span_names).items() if name.isupper() and "." in value}
    assert {one for one in ours if not one.startswith("kith.")} <= standard
    operations = {one.value for one in messaging_attributes.MessagingOperationTypeValues}
    assert {span_names.SEND, span_names.PROCESS} <= operations
