"""Rendered manifests, and the rules that they keep: each names what breaks it, and nothing where none does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import kubernetes_validate
import typer.main

from kith.cli import app
from kith.settings import ENV_PREFIX, Settings

Manifest = dict[str, Any]

KUBERNETES = ("1.27", "1.34")
# Not Kubernetes' own; checked by hand below.
FOREIGN = {"ScaledObject", "PodMonitor"}
WORKLOADS = {"StatefulSet", "Deployment", "Job"}


def of_kind(manifests: list[Manifest], *kinds: str) -> list[Manifest]:
    return [one for one in manifests if one["kind"] in kinds]


def named(manifests: list[Manifest], kind: str, name: str) -> Manifest:
    (found,) = [one for one in of_kind(manifests, kind) if one["metadata"]["name"] == name]
    return found


def containers(manifests: list[Manifest]) -> list[tuple[str, Manifest, Manifest]]:
    """Name of the workload, pod and container of each."""
    found = []
    for one in of_kind(manifests, *WORKLOADS):
        pod = one["spec"]["template"]["spec"]
        found += [(one["metadata"]["name"], pod, container) for container in pod["containers"]]
    return found


def environment(container: Manifest) -> dict[str, Any]:
    return {one["name"]: one.get("value", one.get("valueFrom")) for one in container["env"]}


# The rules: each says what breaks it, so that a test can show that it notices.


def against_kubernetes(manifests: list[Manifest]) -> list[str]:
    found = []
    for version in KUBERNETES:
        for one in manifests:
            if one["kind"] not in FOREIGN:
                try:
                    kubernetes_validate.validate(one, version, strict=True)
                except kubernetes_validate.ValidationError as error:
                    found.append(f"{version} {one['kind']} {one['metadata']['name']}: {error.message}")
    return found


def named_twice(manifests: list[Manifest]) -> list[str]:
    names = [(one["kind"], one["metadata"]["name"]) for one in manifests]
    return [str(name) for name in names if names.count(name) > 1]


def unknown_settings(manifests: list[Manifest]) -> list[str]:
    known = {ENV_PREFIX + name.upper() for name in Settings.model_fields}
    found = []
    for name, _pod, container in containers(manifests):
        given = [one["name"] for one in container["env"]]
        found += [f"{name}: {one}" for one in given if one not in known]
        found += [f"{name}: {one} twice" for one in set(given) if given.count(one) > 1]
    return found


def wrong_settings(manifests: list[Manifest]) -> list[str]:
    found = []
    for name, _pod, container in containers(manifests):
        plain = {key: value for key, value in environment(container).items() if isinstance(value, str)}
        values = {key.removeprefix(ENV_PREFIX).lower(): value for key, value in plain.items()}
        try:
            Settings.model_validate(values)
        except ValueError as error:
            found.append(f"{name}: {error}")
    return found


def unknown_commands(manifests: list[Manifest]) -> list[str]:
    known = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    found = []
    for name, _pod, container in containers(manifests):
        lines = container["args"]
        if "command" in container:
            lines = [line.removeprefix("kith ") for line in container["args"][0].split("; ")]
        for line in lines:
            command = known.get(line.split()[0])
            for word in line.split()[1:]:
                command = getattr(command, "commands", {}).get(word)
            if command is None:
                found.append(f"{name}: {line}")
    return found


def may_do_much(manifests: list[Manifest]) -> list[str]:
    found = []
    for name, pod, container in containers(manifests):
        security = container["securityContext"]
        little = (
            pod["securityContext"].get("runAsNonRoot"),
            pod["securityContext"].get("runAsUser"),
            pod["securityContext"].get("seccompProfile"),
            security.get("readOnlyRootFilesystem"),
            security.get("allowPrivilegeEscalation"),
            security.get("capabilities"),
            pod.get("automountServiceAccountToken"),
        )
        if little != (True, 10001, {"type": "RuntimeDefault"}, True, False, {"drop": ["ALL"]}, False):
            found.append(name)
    return found


def without_bounds(manifests: list[Manifest]) -> list[str]:
    found = []
    for name, _pod, container in containers(manifests):
        resources = container["resources"]
        if "memory" not in resources.get("limits", {}) or set(resources.get("requests", {})) < {"cpu", "memory"}:
            found.append(name)
    return found


def without_probes(manifests: list[Manifest]) -> list[str]:
    found = []
    for one in of_kind(manifests, "StatefulSet", "Deployment"):
        for container in one["spec"]["template"]["spec"]["containers"]:
            ports = {port["name"]: port["containerPort"] for port in container["ports"]}
            asked = {
                name: container.get(f"{name}Probe", {}).get("httpGet", {})
                for name in ("startup", "liveness", "readiness")
            }
            paths = {name: get.get("path") for name, get in asked.items()}
            if paths != {"startup": "/healthz", "liveness": "/healthz", "readiness": "/readyz"}:
                found.append(f"{one['metadata']['name']}: {paths}")
            served = environment(container)
            gateway = container["args"] == ["gateway"]
            port = served.get("KITH_GATEWAY_PORT" if gateway else "KITH_HEALTH_PORT")
            host = served.get("KITH_GATEWAY_HOST" if gateway else "KITH_HEALTH_HOST")
            reached = {str(ports.get(get.get("port"))) for get in asked.values()}
            if reached != {port} or host != "0.0.0.0":  # noqa: S104 - the pod's own address
                found.append(f"{one['metadata']['name']}: asked at {reached}, served at {host}:{port}")
    return found


def selects_nothing(manifests: list[Manifest]) -> list[str]:
    pods = [one["spec"]["template"]["metadata"]["labels"] for one in of_kind(manifests, "StatefulSet", "Deployment")]
    found = []
    for one in of_kind(manifests, "Service", "PodDisruptionBudget", "PodMonitor", "StatefulSet", "Deployment"):
        selector = one["spec"]["selector"]
        wanted = selector.get("matchLabels", selector)
        hits = [labels for labels in pods if wanted.items() <= labels.items()]
        if not hits or (len(hits) > 1 and one["kind"] != "PodMonitor"):
            found.append(f"{one['kind']} {one['metadata']['name']} selects {len(hits)}")
    return found


def mounts_what_is_not_there(manifests: list[Manifest]) -> list[str]:
    found = []
    for one in of_kind(manifests, *WORKLOADS):
        pod = one["spec"]["template"]["spec"]
        volumes = {volume["name"] for volume in pod["volumes"]}
        volumes |= {claim["metadata"]["name"] for claim in one["spec"].get("volumeClaimTemplates", [])}
        for container in pod["containers"]:
            mounted = {mount["name"] for mount in container["volumeMounts"]}
            if mounted != volumes:
                found.append(f"{one['metadata']['name']}: {sorted(mounted ^ volumes)}")
    return found


# Of KEDA's CRD: what is required, and what the chart uses.
TRIGGERS = {
    "kafka": {"bootstrapServers", "consumerGroup", "topic", "lagThreshold", "offsetResetPolicy"},
    "cpu": {"value"},
}
SCALED = {
    "scaleTargetRef",
    "minReplicaCount",
    "maxReplicaCount",
    "pollingInterval",
    "cooldownPeriod",
    "advanced",
    "triggers",
}


def against_keda(manifests: list[Manifest]) -> list[str]:
    found = []
    for one in of_kind(manifests, "ScaledObject"):
        name, spec = one["metadata"]["name"], one["spec"]
        if one["apiVersion"] != "keda.sh/v1alpha1" or set(spec) != SCALED:
            found.append(f"{name}: {sorted(set(spec) ^ SCALED)}")
        for trigger in spec.get("triggers", []):
            if set(trigger["metadata"]) != TRIGGERS[trigger["type"]]:
                found.append(f"{name}: {trigger['type']}")
            # KEDA reads text only.
            found += [f"{name}: {key}" for key, value in trigger["metadata"].items() if not isinstance(value, str)]
    return found


def scales_past_its_work(manifests: list[Manifest]) -> list[str]:
    """Targets that are not there or have a fixed number of replicas, and more replicas than partitions."""
    workloads = {(one["kind"], one["metadata"]["name"]): one for one in of_kind(manifests, *WORKLOADS)}
    found = []
    for one in of_kind(manifests, "ScaledObject"):
        target = one["spec"]["scaleTargetRef"]
        workload = workloads.get((target["kind"], target["name"]))
        if workload is None or "replicas" in workload["spec"]:
            found.append(f"{one['metadata']['name']}: {target}")
            continue
        partitions = environment(workload["spec"]["template"]["spec"]["containers"][0])["KITH_PARTITIONS"]
        if one["spec"]["minReplicaCount"] > one["spec"]["maxReplicaCount"]:
            found.append(f"{one['metadata']['name']}: more at least than at most")
        if str(one["spec"]["maxReplicaCount"]) != partitions:
            found.append(f"{one['metadata']['name']}: {one['spec']['maxReplicaCount']} of {partitions} partitions")
    return found


RULES: tuple[Callable[[list[Manifest]], list[str]], ...] = (
    against_kubernetes,
    named_twice,
    unknown_settings,
    wrong_settings,
    unknown_commands,
    may_do_much,
    without_bounds,
    without_probes,
    selects_nothing,
    mounts_what_is_not_there,
    against_keda,
    scales_past_its_work,
)
