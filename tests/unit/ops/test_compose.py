"""docker-compose.yml is checked without an engine: against the Compose specification's schema and against our rules."""

from __future__ import annotations

import copy
import json
import re
import subprocess
import sys
import threading
import tomllib
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.metadata import distribution
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from jsonschema import Draft202012Validator
from ruamel.yaml import YAML

from kith.settings import ENV_PREFIX, Settings, load_settings

ROOT = Path(__file__).resolve().parents[3]
SCHEMA = "check_jsonschema/builtin_schemas/vendor/compose-spec.json"
POM = {"m": "http://maven.apache.org/POM/4.0.0"}
LOOPBACK = "127.0.0.1:"
HEALTH_PORT = {"indexer": "9464", "query": "9464", "gateway": "8080"}
OURS = ("setup", "indexer", "query", "gateway", "kith")

Compose = dict[str, Any]


@pytest.fixture(scope="module")
def compose() -> Compose:
    return YAML(typ="safe").load(ROOT / "docker-compose.yml")


JAEGER = ROOT / "ops" / "otel" / "jaeger.yml"


def long_running(compose: Compose) -> dict[str, Compose]:
    return {name: service for name, service in compose["services"].items() if service.get("restart") != "no"}


# The rules: each says what breaks it, so that a test can show that it notices.


def against_the_schema(compose: Compose) -> list[str]:
    # The vendored file, not the program: check-jsonschema 0.38 needs a newer click than Faust allows.
    schema = json.loads(Path(str(distribution("check-jsonschema").locate_file(SCHEMA))).read_text())
    return [f"{error.json_path}: {error.message}" for error in Draft202012Validator(schema).iter_errors(compose)]


def images_not_pinned(compose: Compose) -> list[str]:
    exact = re.compile(r"[a-z0-9./-]+:[\w.-]*\d+\.\d+\.\d+[\w.-]*(@sha256:[0-9a-f]{64})?")
    return [name for name, service in compose["services"].items() if not exact.fullmatch(service.get("image", ""))]


def without_health_check(compose: Compose) -> list[str]:
    return [name for name, service in long_running(compose).items() if not service.get("healthcheck", {}).get("test")]


def without_bounds(compose: Compose) -> list[str]:
    needed = {"mem_limit", "stop_grace_period", "restart", "logging"}
    return [f"{name}: {sorted(needed - set(s))}" for name, s in long_running(compose).items() if needed - set(s)]


def ports_beyond_loopback(compose: Compose) -> list[str]:
    found = []
    for name, service in compose["services"].items():
        if "network_mode" in service:
            found.append(f"{name}: network_mode")
        found += [f"{name}: {port}" for port in service.get("ports", []) if not str(port).startswith(LOOPBACK)]
    return found


def waits_for_nothing(compose: Compose) -> list[str]:
    services, found = compose["services"], []
    for name, service in services.items():
        for needed, wait in service.get("depends_on", {}).items():
            if needed not in services:
                found.append(f"{name} waits for {needed}, which is no service")
            elif wait["condition"] == "service_healthy" and "healthcheck" not in services[needed]:
                found.append(f"{name} waits for the health of {needed}, which has no check")
            elif wait["condition"] == "service_completed_successfully" and needed in long_running(compose):
                found.append(f"{name} waits for the end of {needed}, which does not end")
    return found


def unknown_settings(compose: Compose) -> list[str]:
    known = {ENV_PREFIX + name.upper() for name in Settings.model_fields}
    given = {name for service in compose["services"].values() for name in service.get("environment", {})}
    return sorted(name for name in given if name.startswith(ENV_PREFIX) and name not in known)


def undeclared_storage(compose: Compose) -> list[str]:
    found = []
    for name, service in compose["services"].items():
        volumes = [str(volume).split(":", 1)[0] for volume in service.get("volumes", [])]
        found += [f"{name}: volume {volume}" for volume in volumes if volume not in compose["volumes"]]
        sources = [config["source"] for config in service.get("configs", [])]
        found += [f"{name}: config {source}" for source in sources if source not in compose["configs"]]
    return found


RULES: tuple[Callable[[Compose], list[str]], ...] = (
    against_the_schema,
    images_not_pinned,
    without_health_check,
    without_bounds,
    ports_beyond_loopback,
    waits_for_nothing,
    unknown_settings,
    undeclared_storage,
)


@pytest.mark.parametrize("rule", RULES)
def test_compose_keeps_the_rule(compose: Compose, rule: Callable[[Compose], list[str]]):
    assert rule(compose) == []


@pytest.mark.parametrize(
    ("rule", "service", "key", "value"),
    [
        (against_the_schema, "kafka", "depend_on", {}),
        (against_the_schema, "kafka", "healthcheck", {"test": 1}),
        (images_not_pinned, "milvus", "image", "milvusdb/milvus:latest"),
        (images_not_pinned, "milvus", "image", "milvusdb/milvus"),
        (images_not_pinned, "kafka", "image", "apache/kafka:4"),
        (without_health_check, "registry", "healthcheck", {"disable": True}),
        (without_bounds, "query", "mem_limit", None),
        (ports_beyond_loopback, "milvus", "ports", ["19530:19530"]),
        (ports_beyond_loopback, "milvus", "ports", [{"target": 19530, "published": "19530"}]),
        (ports_beyond_loopback, "milvus", "network_mode", "host"),
        (waits_for_nothing, "indexer", "depends_on", {"etcd": {"condition": "service_healthy"}}),
        (waits_for_nothing, "indexer", "depends_on", {"setup": {"condition": "service_healthy"}}),
        (waits_for_nothing, "indexer", "depends_on", {"kafka": {"condition": "service_completed_successfully"}}),
        (unknown_settings, "indexer", "environment", {"KITH_KAFKA_BOOTSTRAPS": "kafka:9092"}),
        (undeclared_storage, "kafka", "volumes", ["kafka:/var/lib/kafka/data"]),
        (undeclared_storage, "milvus", "configs", [{"source": "etcd"}]),
    ],
)
def test_rule_notices(compose: Compose, rule: Callable[[Compose], list[str]], service: str, key: str, value: Any):
    broken = copy.deepcopy(compose)
    if value is None:
        del broken["services"][service][key]
    else:
        broken["services"][service][key] = value
    assert rule(broken)


# What has to agree with other files.


def version_in_pom(pom: Path, artifact: str) -> str:
    root = ET.parse(pom).getroot()  # noqa: S314 - our own file
    versions = [
        element.findtext("m:version", namespaces=POM)
        for element in root.iter()
        if element.findtext("m:artifactId", namespaces=POM) == artifact
    ]
    assert len(versions) == 1, f"{pom} names {artifact} {len(versions)} times"
    version = versions[0] or ""
    reference = re.fullmatch(r"\$\{(.+)\}", version)
    return version if reference is None else root.findtext(f"m:properties/m:{reference[1]}", "", POM)


@pytest.mark.parametrize(
    ("service", "pom", "artifact"),
    [
        ("kafka", "ops/kafka/pom.xml", "kafka_2.13"),
        ("registry", "ops/registry/pom.xml", "apicurio-registry-app"),
    ],
)
def test_container_runs_the_version_that_kith_up_runs(compose: Compose, service: str, pom: str, artifact: str):
    assert compose["services"][service]["image"].rpartition(":")[2] == version_in_pom(ROOT / pom, artifact)


def test_our_image_carries_our_version(compose: Compose):
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert {compose["services"][name]["image"] for name in OURS} == {f"kith:{version}"}


def test_the_gateway_is_started_on_request_and_knows_no_milvus(compose: Compose):
    gateway = compose["services"]["gateway"]
    assert gateway["profiles"] == ["gateway"]
    assert "milvus" not in gateway["depends_on"]


def test_our_containers_may_do_little(compose: Compose):
    for name in OURS:
        service = compose["services"][name]
        assert (service["user"], service["read_only"], service["cap_drop"]) == ("10001:10001", True, ["ALL"]), name


@pytest.mark.parametrize("name", OURS)
def test_settings_of_the_container_are_valid(compose: Compose, name: str, monkeypatch, tmp_path):
    environment = compose["services"][name]["environment"]
    monkeypatch.chdir(tmp_path)
    for key, value in environment.items():
        monkeypatch.setenv(key, value)
    settings = load_settings()
    assert settings.kafka_bootstrap == environment["KITH_KAFKA_BOOTSTRAP"]
    assert settings.schema_registry_url.endswith("/apis/ccompat/v7")


def seconds(text: str) -> int:
    return int(text.removesuffix("s"))


def test_work_in_hand_has_time_to_end(compose: Compose):
    default = {name: field.default for name, field in Settings.model_fields.items()}
    assert seconds(compose["services"]["indexer"]["stop_grace_period"]) > default["apply_timeout_s"]
    assert seconds(compose["services"]["query"]["stop_grace_period"]) > default["query_timeout_s"]
    assert seconds(compose["services"]["gateway"]["stop_grace_period"]) > default["gateway_max_timeout_s"]


# What has to agree within the file.


def listeners(text: str) -> dict[str, str]:
    return dict(part.split("://", 1) for part in text.split(","))


def test_kafka_is_reached_from_inside_and_outside(compose: Compose):
    kafka = compose["services"]["kafka"]
    environment = kafka["environment"]
    bound, told = (listeners(environment[f"KAFKA_{x}LISTENERS"]) for x in ("", "ADVERTISED_"))
    secured = dict(part.split(":") for part in environment["KAFKA_LISTENER_SECURITY_PROTOCOL_MAP"].split(","))
    assert set(bound) == set(secured) == {*told, environment["KAFKA_CONTROLLER_LISTENER_NAMES"]}
    assert environment["KAFKA_CONTROLLER_QUORUM_VOTERS"] == f"{environment['KAFKA_NODE_ID']}@{bound['CONTROLLER']}"
    assert kafka["ports"] == [f"{told['OUTSIDE']}:{bound['OUTSIDE'].removeprefix(':')}"]
    assert told["INSIDE"] == f"kafka{bound['INSIDE']}"
    registry = compose["services"]["registry"]["environment"]
    clients = {compose["services"][name]["environment"]["KITH_KAFKA_BOOTSTRAP"] for name in OURS}
    assert clients == {told["INSIDE"], registry["APICURIO_KAFKASQL_BOOTSTRAP_SERVERS"]}


def test_schemas_outlive_the_registry(compose: Compose):
    services = compose["services"]
    assert services["registry"]["environment"]["APICURIO_STORAGE_KIND"] == "kafkasql"
    assert services["kafka"]["environment"]["KAFKA_LOG_RETENTION_MS"] == "-1"
    assert services["kafka"]["volumes"] == [f"kafka-data:{services['kafka']['environment']['KAFKA_LOG_DIRS']}"]


def test_registry_is_asked_where_its_version_answers(compose: Compose):
    registry = compose["services"]["registry"]
    major, minor = map(int, registry["image"].rpartition(":")[2].split(".")[:2])
    port = 9000 if (major, minor) >= (3, 2) else 8080
    assert registry["healthcheck"]["test"][-1] == f"http://localhost:{port}/health/ready"


def test_the_indexer_may_write_where_the_image_says_its_table_lies(compose: Compose):
    dockerfile = (ROOT / "ops" / "Dockerfile").read_text()
    found = re.search(r"KITH_STATE_DIR=(\S+)", dockerfile)
    assert found is not None
    assert f"install --directory --owner=10001 --group=10001 --mode=0700 {found[1]}\n" in dockerfile
    assert compose["services"]["indexer"]["volumes"] == [f"indexer-state:{found[1]}"]


def test_milvus_finds_its_etcd_configuration(compose: Compose):
    milvus = compose["services"]["milvus"]
    (mounted,) = milvus["configs"]
    assert milvus["environment"]["ETCD_CONFIG_PATH"] == mounted["target"]
    etcd = YAML(typ="safe").load(compose["configs"][mounted["source"]]["content"])
    assert etcd["auto-compaction-mode"] == "revision"
    assert milvus["environment"]["ETCD_DATA_DIR"].startswith(milvus["volumes"][0].partition(":")[2])


@pytest.fixture(params=[200, 503])
def ready(request) -> Iterator[tuple[int, int]]:
    """A server that answers /readyz with a status, and 404 elsewhere."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(request.param if self.path == "/readyz" else 404)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Keep the output of the tests clean."""

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield request.param, server.server_port
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("name", HEALTH_PORT)
def test_health_check_tells_ready_from_not_ready(compose: Compose, name: str, ready: tuple[int, int]):
    status, port = ready
    service = compose["services"][name]
    kind, program, *arguments, script = service["healthcheck"]["test"]
    assert (kind, program, arguments) == ("CMD", "python", ["-c"])
    own = HEALTH_PORT[name]
    assert script.count(own) == 1
    assert service["environment"]["KITH_GATEWAY_PORT" if name == "gateway" else "KITH_HEALTH_PORT"] == own
    assert service["ports"][0].endswith(f":{own}")
    asked = subprocess.run([sys.executable, "-c", script.replace(own, str(port))], check=False, timeout=20)
    assert asked.returncode == (0 if status == 200 else 1)


def test_jaeger_fits_beside_it(compose: Compose):
    beside = YAML(typ="safe").load(JAEGER)
    assert against_the_schema(beside) == []
    assert ports_beyond_loopback(beside) == []
    jaeger = {"services": {"jaeger": beside["services"].pop("jaeger")}}
    assert images_not_pinned(jaeger) == without_bounds(jaeger) == []
    assert set(beside["services"]) <= set(compose["services"])
    for name, service in beside["services"].items():
        given = compose["services"][name]["environment"] | service["environment"]
        settings = {key.removeprefix(ENV_PREFIX).lower(): value for key, value in given.items()}
        assert load_settings(**settings).traces_endpoint.split(":")[1] == "//jaeger", name
