"""`kith up`, `kith down`, `kith status`: the parts of one machine."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict, dataclass
from functools import partial

import typer
from rich.console import Console
from rich.table import Table

from kith.services.local_stack import PARTS, ChildStatus, Endpoints, LocalStack, Say, WantedPorts
from kith.services.provider import provider_of
from kith.settings import Settings, load_settings, load_told_settings

WORKERS = ("indexer", "query")
# Before the name of a release: a further indexer, of a rollout.
_FURTHER = "indexer-"

_NOT_RUNNING = 1

# What is asked of an installation, and what the local part of it is called.
_ASKED = ("kafka", "registry", "index")
_PART_NAMES = {"milvus": "index"}


@dataclass(frozen=True, slots=True)
class Running:
    """What `start_all` brought up: settings that reach the parts, and the health port of each worker."""

    settings: Settings
    health_ports: dict[str, int]


def up(as_json: bool = typer.Option(False, "--json", help="Print where the parts are as JSON.")) -> None:
    """Start the real parts on this machine: Kafka, Schema Registry, Milvus Lite, the indexer and the query consumer.

    What runs already is left running, so a part that ended is started again by the same command. A part whose address
    is set (KITH_KAFKA_BOOTSTRAP, KITH_SCHEMA_REGISTRY_URL, KITH_MILVUS_URI) is used where it is, and not started.

    Example: `KITH_KAFKA_PORT=19092 kith up`
    """
    started = time.monotonic()
    running = start_all(load_told_settings(), say=lambda line: typer.echo(line, err=as_json))
    if as_json:
        typer.echo(json.dumps(_where(running.settings) | {"health_ports": running.health_ports}))
        return
    typer.echo(f"up in {time.monotonic() - started:.1f} s; stop with `kith down`")
    print_status(running.settings)


def down() -> None:
    """Stop what `kith up` started, the workers first, each by its process id. The data stays.

    Example: `kith down`
    """
    settings = load_told_settings()
    stopped = stop_all(settings)
    typer.echo(f"stopped: {', '.join(stopped)}" if stopped else "nothing was running")


def status(as_json: bool = typer.Option(False, "--json", help="Print everything as JSON.")) -> None:
    """Show what runs and what it does, here or wherever the settings point.

    Of each local part: running or not, process, memory, address, log; of a worker where its model really runs. Of the
    installation: models, collections and profiles, records that wait and pass, freshness, outcomes, query consumers;
    what a part that is away would have told is said to be not known. Takes some seconds. Exit code 1 when a local part
    has ended.

    Example: `kith status --json`
    """
    from kith.commands.status_display import as_json as to_json
    from kith.commands.status_display import show
    from kith.wiring_status import installation_status

    settings = load_settings()
    stack = _stack(load_told_settings())
    children = stack.status([*PARTS, *WORKERS, *_further_indexers(stack)])
    ended = {_PART_NAMES.get(child.name, child.name): "it ended here" for child in children if child.state == "ended"}
    found = installation_status(settings, {name: why for name, why in ended.items() if name in _ASKED})
    if as_json:
        parts = {"parts": [asdict(child) | {"provider": _provider(stack, child)} for child in children]}
        typer.echo(json.dumps(parts | _where(settings) | {"installation": to_json(found)}))
    else:
        print_status(settings)
        show(found)
    if any(child.state == "ended" for child in children):
        raise typer.Exit(_NOT_RUNNING)


def start_all(told: Settings, say: Say) -> Running:
    """Start every part and both workers, each only if it does not run; topics, schemas and collection included.

    Args:
        told: settings without what an earlier `kith up` noted.

    Raises:
        kith.errors.KithError: a tool is missing, a port is taken, a part did not start.
    """
    from kith import wiring

    wiring.release(told)  # a wrong model path is said before anything is started
    wiring.renderer(told)
    stack = _stack(told, say)
    settings = _with(told, stack.start())
    say("creating topics, schemas and the collection")
    wiring.topic_admin(settings).apply(wiring.topics(settings).all())
    registry = wiring.registry(settings)
    for topic in wiring.topics(settings).all():
        registry.declare(topic.subject, topic.kind)
    index = wiring.index(settings)
    wiring.live_collection(settings, index)
    index.close()
    ports = _start_workers(stack, settings, say)
    for model in _further_models(settings):
        say(f"starting the indexer of {model}")
        start_indexer_of(told, model)
    return Running(settings, ports)


def runs_here(told: Settings) -> bool:
    """Whether an indexer of this state folder was started by `kith up`, and lives."""
    child = _stack(told).processes.find(WORKERS[0])
    return child is not None and child.alive()


def start_indexer_of(told: Settings, model: str) -> None:
    """Start a further indexer, of another release, unless it runs.

    Raises:
        kith.errors.KithError: there is no such release, or it did not start.
    """
    from kith import wiring
    from kith.services.ports import free_port
    from kith.services.ready import has_started

    folder, stack, name = wiring.release_folder(told, model), _stack(told), f"{_FURTHER}{model}"
    argv = ["/usr/bin/env", f"KITH_MODEL_DIR={folder}", *_program(told), "index", "--health-port", str(free_port())]
    child = stack.ensure_started(name, argv)
    stack.wait(name, partial(has_started, int(child.argv[-1])))


def stop_indexer_of(told: Settings, model: str) -> None:
    """Stop a further indexer, if it runs."""
    _stack(told).stop([f"{_FURTHER}{model}"])


def stop_all(told: Settings) -> list[str]:
    """Stop workers, then parts; returns the names of those that ran."""
    stack = _stack(told)
    stopped = stack.stop([*_further_indexers(stack), *reversed(WORKERS), *reversed(PARTS)])
    stack.forget_endpoints()
    return stopped


def print_status(settings: Settings) -> None:
    """A table of the local parts; of the workers it says where their models really run."""
    table = Table("part", "state", "process", "memory", "address", "model on", "log")
    addresses = dict(zip(PARTS, _where(settings).values(), strict=True))
    stack = _stack(settings)
    for child in stack.status([*PARTS, *WORKERS, *_further_indexers(stack)]):
        table.add_row(*_row(child, addresses.get(child.name, ""), _provider(stack, child)))
    Console().print(table)


def _start_workers(stack: LocalStack, settings: Settings, say: Say) -> dict[str, int]:
    from kith.services.ports import free_port
    from kith.services.ready import has_started

    say("starting the indexer and the query consumer")
    program, ports = ["/usr/bin/env", *_program(settings)], {}
    for name, verb in zip(WORKERS, ("index", "serve"), strict=True):
        child = stack.ensure_started(name, [*program, verb, "--health-port", str(free_port())])
        ports[name] = int(child.argv[-1])
    for name, port in ports.items():
        stack.wait(name, partial(has_started, port))
    return ports


def _program(settings: Settings) -> list[str]:
    """The workers read their settings themselves; the state folder tells them where the parts are."""
    return [f"KITH_STATE_DIR={settings.state_dir}", sys.executable, "-m", "kith"]


def _further_indexers(stack: LocalStack) -> list[str]:
    return [name for name in stack.processes.names() if name.startswith(_FURTHER)]


def _further_models(settings: Settings) -> list[str]:
    """Releases whose collections are kept level beside that of the configured one."""
    from kith import wiring

    records = wiring.codec(settings)
    try:
        rollouts = wiring.rollout_log(settings, records).all()
    finally:
        records.close()
    kept = {model for one in rollouts for model in one.kept_level} - {one.retired for one in rollouts}
    return sorted(kept - {wiring.release(settings).manifest.name})


def _stack(settings: Settings, say: Say = lambda _line: None) -> LocalStack:
    given = (settings.kafka_bootstrap, settings.schema_registry_url, settings.milvus_uri)
    return LocalStack(
        settings.state_dir,
        settings.parts_dir,
        WantedPorts(settings.kafka_port, settings.schema_registry_port, settings.milvus_port),
        external=[part for part, address in zip(PARTS, given, strict=True) if address],
        say=say,
    )


def _with(settings: Settings, endpoints: Endpoints) -> Settings:
    return settings.model_copy(update={name: value for name, value in asdict(endpoints).items() if value})


def _where(settings: Settings) -> dict[str, str]:
    return {
        "kafka_bootstrap": settings.kafka_bootstrap,
        "schema_registry_url": settings.schema_registry_url,
        "milvus_uri": settings.milvus_uri,
    }


def _provider(stack: LocalStack, child: ChildStatus) -> str | None:
    """Where a running worker runs its model; None for the other parts, and while it does not answer."""
    started = stack.processes.find(child.name)
    if child.name in PARTS or child.state != "running" or started is None:
        return None
    return provider_of(int(started.argv[-1]))


def _row(child: ChildStatus, address: str, provider: str | None) -> tuple[str, ...]:
    state = "elsewhere" if child.state == "absent" and address else child.state
    memory = "" if child.memory_mib is None else f"{child.memory_mib} MiB"
    return child.name, state, str(child.pid or ""), memory, address, provider or "", child.note or child.log_file
