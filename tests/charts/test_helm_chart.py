"""The chart is rendered by Helm itself, and held against Kubernetes' schemas and against what kith has.

Helm comes as a library of Maven Central, with its own native code, so it needs no cluster and no
`helm` on the machine.
"""

from __future__ import annotations

import copy
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from kith import wiring
from kith.services import jars
from kith.settings import Settings
from schemas.topics import Topics
from tests.charts.manifests import (
    RULES,
    Manifest,
    against_keda,
    against_kubernetes,
    containers,
    environment,
    may_do_much,
    mounts_what_is_not_there,
    named,
    named_twice,
    of_kind,
    scales_past_its_work,
    selects_nothing,
    unknown_commands,
    unknown_settings,
    without_bounds,
    without_probes,
    wrong_settings,
)

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "ops" / "helm" / "kith"
RENDERER = Path(__file__).with_name("Render.java")

PARTS: Manifest = {
    "kafka": {"bootstrap": "broker-0:9092,broker-1:9092"},
    "schemaRegistry": {"url": "http://registry:8081"},
    "milvus": {"uri": "http://milvus:19530"},
}
FULL: Manifest = PARTS | {
    "image": {"repository": "registry.example/kith", "tag": "1.2.3"},
    "imagePullSecrets": [{"name": "pull"}],
    "settings": {"topic_prefix": "prod.", "max_record_bytes": 1048576, "retry_max_wait_s": 7.5, "impressions": False},
    "secretSettings": {"milvus_token": {"name": "milvus", "key": "token"}},
    "certificates": {"existingSecret": "kafka-ca"},
    "topics": {"partitions": 24},
    "models": {"existingClaim": "releases"},
    "candidate": {"enabled": True, "name": "student-v2"},
    "gateway": {"enabled": True},
    "gpu": {"enabled": True, "count": 1, "nodeSelector": {"pool": "gpu"}},
    "keda": {"enabled": True, "authenticationRef": "kafka"},
    "monitoring": {"podMonitor": True},
}
VALUES: dict[str, Manifest] = {
    "least": PARTS,
    "full": FULL,
    "small": PARTS | {"topics": {"partitions": 1, "replicationFactor": 1}, "keda": {"enabled": True}},
    "bare": PARTS
    | {
        "indexer": {"persistence": {"enabled": False}},
        "setup": {"enabled": False},
        "podDisruptionBudget": {"enabled": False},
    },
}
REFUSED: dict[str, tuple[Manifest, str]] = {
    "no-kafka": ({"schemaRegistry": PARTS["schemaRegistry"], "milvus": PARTS["milvus"]}, "bootstrap"),
    "typo": (PARTS | {"indexers": {}}, "indexers"),
    "password": (PARTS | {"settings": {"kafka_sasl_password": "secret"}}, "kafka_sasl_password"),
    "nameless-candidate": (PARTS | {"candidate": {"enabled": True}}, "candidate"),
    "no-partitions": (PARTS | {"topics": {"partitions": 0}}, "partitions"),
}


HOOKED = "hooked"


@dataclass(frozen=True)
class Rendered:
    """What Helm made of each set of values: manifests and notes, or its refusal."""

    manifests: dict[str, list[Manifest]]
    notes: dict[str, str]
    refusals: dict[str, str]


@pytest.fixture(scope="session")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Rendered:
    """Every set of values, by one start of Java."""
    folder = tmp_path_factory.mktemp("values")
    cases = VALUES | {name: values for name, (values, _word) in REFUSED.items()} | {HOOKED: PARTS}
    files = {name: folder / f"{name}.json" for name in cases}
    for name, values in cases.items():
        files[name].write_text(json.dumps(values))
    plain = _without_hooks(folder / "chart")
    held = jars._fetched(
        ROOT / ".kith" / "parts", "helm", ["dependency:copy-dependencies", "-DincludeScope=runtime"], print
    )
    wanted = [str(one) for name, path in files.items() for one in (CHART if name == HOOKED else plain, path)]
    command = [jars.require_java(), "-cp", f"{held}/*", str(RENDERER), *wanted]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 0, done.stderr
    made = Rendered({}, {}, {})
    for name, path in files.items():
        out, notes, refused = (path.with_name(f"{path.name}.{what}") for what in ("out", "notes", "error"))
        if out.exists():
            made.manifests[name] = [one for one in YAML(typ="safe").load_all(out.read_text()) if one]
            made.notes[name] = notes.read_text()
        else:
            made.refusals[name] = refused.read_text()
    return made


def _without_hooks(folder: Path) -> Path:
    """The chart with its hook as a plain manifest: Helm's library renders no hooks."""
    shutil.copytree(CHART, folder)
    job = folder / "templates" / "setup-job.yaml"
    job.write_text(job.read_text().replace("helm.sh/hook", "was.helm.sh/hook"))
    return folder


@pytest.mark.parametrize("name", VALUES)
def test_the_chart_renders(rendered: Rendered, name: str):
    assert rendered.refusals.get(name) is None
    assert of_kind(rendered.manifests[name], "StatefulSet")


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("name", VALUES)
def test_the_manifests_keep_the_rule(rendered: Rendered, name: str, rule: Callable[[list[Manifest]], list[str]]):
    assert rule(rendered.manifests[name]) == []


def set_at(manifests: list[Manifest], kind: str, name: str, path: str, value: Any) -> None:
    at: Any = named(manifests, kind, name)
    *steps, last = [int(step) if step.isdigit() else step for step in path.split("/")]
    for step in steps:
        at = at[step]
    if value is None:
        del at[last]
    else:
        at[last] = value


POD = "spec/template/spec"


@pytest.mark.parametrize(
    ("rule", "kind", "name", "path", "value"),
    [
        (against_kubernetes, "StatefulSet", "people-indexer", "spec/serviceNames", "people"),
        (against_kubernetes, "Deployment", "people-query", f"{POD}/containers/0/resources/limits/memory", ["1Gi"]),
        (against_kubernetes, "Job", "people-setup", f"{POD}/restartPolicy", 3),
        (named_twice, "StatefulSet", "people-candidate", "metadata/name", "people-indexer"),
        (unknown_settings, "Job", "people-setup", f"{POD}/containers/0/env/0/name", "KITH_KAFKA"),
        (
            wrong_settings,
            "Job",
            "people-setup",
            f"{POD}/containers/0/env/0",
            {"name": "KITH_EMBED_THREADS", "value": "x"},
        ),
        (unknown_commands, "Deployment", "people-query", f"{POD}/containers/0/args", ["search-requests"]),
        (unknown_commands, "Job", "people-setup", f"{POD}/containers/0/args", ["kith topics make"]),
        (
            may_do_much,
            "Deployment",
            "people-query",
            f"{POD}/containers/0/securityContext/readOnlyRootFilesystem",
            False,
        ),
        (without_bounds, "Deployment", "people-query", f"{POD}/containers/0/resources/limits", None),
        (without_probes, "Deployment", "people-query", f"{POD}/containers/0/startupProbe", None),
        (without_probes, "Deployment", "people-gateway", f"{POD}/containers/0/ports/0/containerPort", 9464),
        (selects_nothing, "PodDisruptionBudget", "people-query", "spec/selector/matchLabels", {"a": "b"}),
        (selects_nothing, "Service", "people-gateway", "spec/selector", {"app.kubernetes.io/name": "kith"}),
        (mounts_what_is_not_there, "Deployment", "people-query", f"{POD}/volumes/0/name", "other"),
        (against_keda, "ScaledObject", "people-query", "spec/triggers/1/metadata/value", 70),
        (against_keda, "ScaledObject", "people-query", "spec/maxReplicas", 3),
        (scales_past_its_work, "ScaledObject", "people-indexer", "spec/maxReplicaCount", 25),
        (scales_past_its_work, "ScaledObject", "people-indexer", "spec/minReplicaCount", 25),
        (scales_past_its_work, "ScaledObject", "people-indexer", "spec/scaleTargetRef/kind", "Deployment"),
        (scales_past_its_work, "StatefulSet", "people-indexer", "spec/replicas", 2),
    ],
)
def test_a_rule_notices(rendered: Rendered, rule: Any, kind: str, name: str, path: str, value: Any):
    broken = copy.deepcopy(rendered.manifests["full"])
    set_at(broken, kind, name, path, value)
    assert rule(broken)


@pytest.mark.parametrize("name", REFUSED)
def test_values_that_are_wrong_are_refused_by_name(rendered: Rendered, name: str):
    assert name not in rendered.manifests
    assert REFUSED[name][1] in rendered.refusals[name]


def test_values_that_the_chart_has_are_all_in_its_schema():
    schema, values = (
        json.loads((CHART / "values.schema.json").read_text()),
        YAML(typ="safe").load(CHART / "values.yaml"),
    )
    assert set(values) == set(schema["properties"]) - {"global"}


# What has to agree with kith.


def test_the_chart_is_of_this_version():
    chart = YAML(typ="safe").load(CHART / "Chart.yaml")
    version = re.search(r'^version = "(.+)"', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert version is not None
    assert (chart["version"], chart["appVersion"]) == (version[1], version[1])


def test_keda_follows_the_groups_and_topics_that_kith_uses(rendered: Rendered):
    settings = Settings(topic_prefix="prod.", kafka_bootstrap="broker:9092")
    topics = Topics("prod.", settings.max_record_bytes, "student-v1")
    followed = {
        one["metadata"]["name"]: [
            (trigger["metadata"]["consumerGroup"], trigger["metadata"]["topic"])
            for trigger in one["spec"]["triggers"]
            if trigger["type"] == "kafka"
        ]
        for one in of_kind(rendered.manifests["full"], "ScaledObject")
    }
    inputs = [topic.name for topic in topics.inputs]
    assert followed == {
        "people-indexer": [(wiring.group_of(settings, "student-v1"), name) for name in inputs],
        "people-candidate": [(wiring.group_of(settings, "student-v2"), name) for name in inputs],
        "people-query": [(wiring.query_group(settings), topics.requests.name)],
    }


def test_indexers_run_on_gpus_where_they_are_asked_to_and_nobody_else_does(rendered: Rendered):
    held = {name: (pod, one) for name, pod, one in containers(rendered.manifests["full"])}
    for name in ("people-indexer", "people-candidate"):
        pod, container = held[name]
        assert container["resources"]["limits"]["nvidia.com/gpu"] == 1
        assert pod["nodeSelector"] == {"pool": "gpu"}
        assert pod["tolerations"] == [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}]
        assert environment(container)["KITH_PROVIDER"] == "cuda"
    for name in ("people-query", "people-gateway", "people-setup"):
        pod, container = held[name]
        assert "nvidia.com/gpu" not in container["resources"]["limits"]
        assert "tolerations" not in pod
        assert "KITH_PROVIDER" not in environment(container)


def test_secrets_are_named_and_never_written(rendered: Rendered):
    for _name, _pod, container in containers(rendered.manifests["full"]):
        assert environment(container)["KITH_MILVUS_TOKEN"] == {"secretKeyRef": {"name": "milvus", "key": "token"}}


def test_numbers_stay_as_they_were_written(rendered: Rendered):
    (indexer,) = [one for name, _pod, one in containers(rendered.manifests["full"]) if name == "people-indexer"]
    held = environment(indexer)
    assert held["KITH_MAX_RECORD_BYTES"] == "1048576"
    assert held["KITH_RETRY_MAX_WAIT_S"] == "7.5"
    assert held["KITH_IMPRESSIONS"] == "false"


def test_the_table_has_a_volume_that_goes_with_its_pod(rendered: Rendered):
    kept = named(rendered.manifests["least"], "StatefulSet", "people-indexer")["spec"]
    assert kept["persistentVolumeClaimRetentionPolicy"] == {"whenDeleted": "Delete", "whenScaled": "Delete"}
    assert kept["volumeClaimTemplates"][0]["spec"]["resources"]["requests"]["storage"] == "10Gi"
    bare = named(rendered.manifests["bare"], "StatefulSet", "people-indexer")["spec"]
    assert "volumeClaimTemplates" not in bare
    assert {"name": "state", "emptyDir": {"sizeLimit": "10Gi"}} in bare["template"]["spec"]["volumes"]


def test_each_indexer_of_a_rollout_has_its_own_release(rendered: Rendered):
    held = {name: environment(one) for name, _pod, one in containers(rendered.manifests["full"])}
    assert held["people-indexer"]["KITH_MODEL_DIR"] == "/app/models/student-v1"
    assert held["people-candidate"]["KITH_MODEL_DIR"] == "/models/student-v2"
    assert {one["KITH_MODELS_DIR"] for one in held.values()} == {"/models"}


def test_work_in_hand_has_time_to_end(rendered: Rendered):
    default = {name: field.default for name, field in Settings.model_fields.items()}
    grace = {
        name: pod.get("terminationGracePeriodSeconds") for name, pod, _one in containers(rendered.manifests["full"])
    }
    assert grace["people-indexer"] > default["apply_timeout_s"]
    assert grace["people-query"] > default["query_timeout_s"]
    assert grace["people-gateway"] > default["gateway_max_timeout_s"]


def test_topics_and_contracts_are_there_before_anything_runs(rendered: Rendered):
    job = named(rendered.manifests["least"], "Job", "people-setup")
    assert job["metadata"]["annotations"]["was.helm.sh/hook"] == "pre-install,pre-upgrade"
    # It may name nothing that only the release itself brings.
    assert "serviceAccountName" not in job["spec"]["template"]["spec"]
    assert of_kind(rendered.manifests[HOOKED], "Job") == [], "Helm takes it for a hook, and leaves it out here"
    assert len(rendered.manifests[HOOKED]) == len(rendered.manifests["least"]) - 1
    assert of_kind(rendered.manifests["bare"], "Job") == []


def test_the_notes_say_what_is_there(rendered: Rendered):
    assert "kubectl --namespace search exec people-indexer-0 -- kith status" in rendered.notes["least"]
    assert "keda.enabled=true" in rendered.notes["least"]
    assert "onnxruntime-gpu" in rendered.notes["full"]
    assert "keda.enabled=true" not in rendered.notes["full"]
    assert "reads its table again" in rendered.notes["bare"]
