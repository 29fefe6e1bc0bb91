"""Every setting of kith: name, type, unit, default, help. The sole reader of `KITH_*` and `kith.toml`.

Precedence: environment, then `kith.toml`, then what `kith up` wrote about the parts it runs, then the default.
"""

from __future__ import annotations

import difflib
import json
import os
import re
import ssl
import tomllib
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from kith.certificates import tls_context
from kith.errors import SettingsError
from kith.half_given import half_given

ENV_PREFIX = "KITH_"
CONFIG_FILE = "kith.toml"
ENDPOINTS_FILE = "endpoints.json"
DEFAULT_MODEL_DIR = Path(__file__).resolve().parent.parent / "models" / "student-v1"

_ENDPOINT_SETTINGS = ("kafka_bootstrap", "schema_registry_url", "milvus_uri")


class Settings(BaseSettings):
    """Validated settings; a wrong or unknown one stops start-up with its name."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX,
        toml_file=CONFIG_FILE,
        extra="forbid",
        frozen=True,
        protected_namespaces=(),
        # What was given may be a secret, and errors are printed.
        hide_input_in_errors=True,
    )

    # Where the parts are. Empty means: none known yet (`kith up` starts local ones).
    kafka_bootstrap: str = Field("", description="Kafka bootstrap servers, host:port[,host:port]")
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT", description="Kafka security protocol"
    )
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        "SCRAM-SHA-512", description="SASL mechanism, used with a SASL security protocol"
    )
    kafka_sasl_username: str = Field("", description="SASL user name")
    kafka_sasl_password: SecretStr = Field(SecretStr(""), description="SASL password")
    kafka_ssl_ca_file: Path | None = Field(
        None, description="CA certificates (PEM) for Kafka over TLS; empty trusts the system's"
    )
    kafka_ssl_certificate_file: Path | None = Field(
        None, description="Client certificate (PEM) for Kafka over mutual TLS"
    )
    kafka_ssl_key_file: Path | None = Field(None, description="Key (PEM) of the client certificate for Kafka")
    kafka_ssl_key_password: SecretStr = Field(SecretStr(""), description="Password of that key, if it is encrypted")
    schema_registry_url: str = Field("", description="Schema Registry URL with a Confluent-compatible API")
    schema_registry_username: str = Field("", description="User name for the Schema Registry (HTTP basic)")
    schema_registry_password: SecretStr = Field(SecretStr(""), description="Password for the Schema Registry")
    schema_registry_ca_file: Path | None = Field(
        None, description="CA certificates (PEM) for a Schema Registry over https; empty trusts the usual ones"
    )
    milvus_uri: str = Field("", description="Milvus server URI, http://host:port or https://host:port")
    milvus_token: SecretStr = Field(SecretStr(""), description="Milvus token, user:password or an API key")
    milvus_ca_file: Path | None = Field(
        None, description="CA certificates (PEM) for Milvus over https; empty trusts the usual ones"
    )
    milvus_consistency: Literal["Strong", "Session", "Bounded", "Eventually"] = Field(
        "Bounded", description="Consistency level of searches on a Milvus server"
    )
    collection_prefix: str = Field(
        "", pattern=r"^([A-Za-z_][A-Za-z0-9_]*)?$", description="Put before every Milvus collection and alias"
    )

    # Local parts.
    state_dir: Path = Field(
        Path(".kith"), description="Folder for the indexer's table, and for the data, logs and pids of local parts"
    )
    parts_dir: Path = Field(Path(".kith/parts"), description="Folder for the downloaded jars of local parts")
    kafka_port: int = Field(0, ge=0, le=65535, description="Port of the local broker; 0 takes a free one")
    schema_registry_port: int = Field(0, ge=0, le=65535, description="Port of the local registry; 0 takes a free one")
    milvus_port: int = Field(0, ge=0, le=65535, description="Port of the local Milvus Lite; 0 takes a free one")

    # Topics.
    topic_prefix: str = Field("", pattern=r"^[a-z0-9._-]*$", description="Put before every topic and group name")
    partitions: int = Field(4, ge=1, le=1024, description="Partitions of the topics that kith creates")
    replication_factor: int = Field(1, ge=1, le=7, description="Replicas of the topics that kith creates")
    reply_topics_allowed: str = Field(
        r"search\.replies(\..+)?",
        description="Regular expression that a reply topic must match in full, after topic_prefix",
    )

    # Model.
    model_dir: Path = Field(DEFAULT_MODEL_DIR, description="Folder of the model release to embed with")
    models_dir: Path = Field(
        DEFAULT_MODEL_DIR.parent, description="Folder of further model releases, each in a folder of its name"
    )
    provider: Literal["cpu", "cuda", "tensorrt"] = Field(
        "cpu", description="Where the model runs; a GPU that is not there is an error"
    )
    allow_cpu_fallback: bool = Field(
        False, description="Run on the CPU, with a warning, where the provider that is set is not there"
    )
    embed_threads: int = Field(
        0, ge=0, le=256, description="Embedding runs at a time, one thread each; 0 takes every core, on a GPU four"
    )
    embed_token_budget: int = Field(
        0,
        ge=0,
        le=1_000_000,
        description="Tokens (padded) per embedding run; 0 takes 256 on a CPU, 16,384 on a GPU; 1 runs each text alone",
    )

    # Indexer.
    max_record_bytes: int = Field(262_144, ge=1024, le=10_000_000, description="Largest encoded change, bytes")
    batch_max_records: int = Field(256, ge=1, le=4096, description="Most changes in one micro-batch")
    batch_max_tokens: int = Field(
        65_536, ge=256, le=1_000_000, description="Most (estimated) tokens in one micro-batch"
    )
    batch_wait_ms: int = Field(50, ge=1, le=1000, description="Longest wait for a micro-batch to fill, milliseconds")
    apply_timeout_s: float = Field(60.0, gt=0, le=600, description="Time for one micro-batch to be applied, seconds")
    ready_max_lag: int = Field(
        10_000, ge=0, description="Most records that may wait for an indexer that calls itself ready"
    )
    retry_max_wait_s: float = Field(15.0, gt=0, le=300, description="Longest pause between attempts, seconds")
    retry_give_up_s: float = Field(
        600.0, gt=0, description="Time after which an unavailable part ends the process for its supervisor, seconds"
    )

    # Query consumer.
    query_max_batch: int = Field(16, ge=1, le=512, description="Most search requests in one micro-batch")
    query_batch_wait_ms: int = Field(
        0, ge=0, le=100, description="Longest wait for a micro-batch of search requests to fill, milliseconds"
    )
    query_max_wait_ms: int = Field(
        200, ge=1, le=60_000, description="Longest foretold wait of a search request; beyond it the reply is overloaded"
    )
    query_cache: int = Field(
        10_000, ge=0, le=10_000_000, description="Vectors of questions that are kept for those asked again"
    )
    query_passages_ms: int = Field(
        50,
        ge=0,
        le=60_000,
        description="Longest time of a micro-batch for choosing matched texts; then hits show their beginning",
    )
    query_passage_cache: int = Field(
        20_000, ge=0, le=10_000_000, description="Vectors of sentences that are kept for the next choice among them"
    )
    query_max_depth: int = Field(1000, ge=1, le=10_000, description="Most of offset and limit together")
    query_max_limit: int = Field(100, ge=1, le=1000, description="Most hits that one request may ask for")
    query_max_chars: int = Field(2000, ge=1, le=100_000, description="Longest query text, characters")
    query_timeout_s: float = Field(10.0, gt=0, le=120, description="Default deadline of a search request, seconds")
    impressions: bool = Field(True, description="Log what requesters were shown to search.impressions")

    # Gateway.
    gateway_host: str = Field("127.0.0.1", description="Address of the HTTP gateway")
    gateway_port: int = Field(8080, ge=0, le=65535, description="Port of the HTTP gateway; 0 takes a free one")
    gateway_max_in_flight: int = Field(
        128, ge=1, le=10_000, description="Most HTTP requests that wait for an answer; more are told to come again"
    )
    gateway_max_timeout_s: float = Field(
        30.0, gt=0, le=120, description="Longest deadline that an HTTP request may ask for, seconds"
    )
    gateway_max_body_bytes: int = Field(65_536, ge=256, le=10_000_000, description="Largest body of an HTTP request")

    rights_key: SecretStr = Field(
        SecretStr(""), description="Key of the rights in requests: a shared secret, or a public key in PEM"
    )
    rights_algorithm: Literal["HS256", "RS256", "ES256", "EdDSA"] = Field(
        "HS256", description="Algorithm that rights are signed with; no other is taken"
    )

    # Every process.
    health_host: str = Field("127.0.0.1", description="Address of /healthz, /readyz and /metrics")
    health_port: int = Field(
        0, ge=0, le=65535, description="Port of /healthz, /readyz and /metrics; 0 takes a free one"
    )
    traces_endpoint: str = Field("", description="OTLP/HTTP receiver of traces, http://host:4318; empty records none")
    traces_sample: float = Field(
        0.05, ge=0, le=1, description="Share of the traces beginning here to record; others' decision is followed"
    )
    log_format: Literal["console", "json"] = Field("console", description="Log lines for people or for machines")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level that is logged")

    @field_validator("state_dir", "parts_dir", "model_dir", "models_dir")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().absolute()

    @field_validator("reply_topics_allowed")
    @classmethod
    def _compiles(cls, value: str) -> str:
        try:
            re.compile(value)
        except re.error as error:
            raise ValueError(f"it is no regular expression: {error}") from error
        return value

    @model_validator(mode="after")
    def _secured_as_a_whole(self) -> Settings:
        if found := half_given(self):
            raise ValueError(found)
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - not read, on purpose
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - as above
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments win over the environment, and that over the file; no `.env` and no secrets folder is read."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)

    def kafka_client(self, **extra: Any) -> dict[str, Any]:
        """Librdkafka configuration to reach the cluster, with `extra` (dotted names as `a_b` are not translated)."""
        config: dict[str, Any] = {
            "bootstrap.servers": self.kafka_bootstrap,
            "security.protocol": self.kafka_security_protocol,
        }
        if self.kafka_security_protocol.startswith("SASL"):
            config["sasl.mechanism"] = self.kafka_sasl_mechanism
            config["sasl.username"] = self.kafka_sasl_username
            config["sasl.password"] = self.kafka_sasl_password.get_secret_value()
        if self.kafka_ssl_ca_file:
            config["ssl.ca.location"] = str(self.kafka_ssl_ca_file)
        if self.kafka_ssl_certificate_file:
            config["ssl.certificate.location"] = str(self.kafka_ssl_certificate_file)
            config["ssl.key.location"] = str(self.kafka_ssl_key_file)
            if password := self.kafka_ssl_key_password.get_secret_value():
                config["ssl.key.password"] = password
        return config | extra

    def kafka_tls(self) -> ssl.SSLContext:
        """As `kafka_client`, for clients that take a context of Python's own."""
        return tls_context(
            self.kafka_ssl_ca_file,
            self.kafka_ssl_certificate_file,
            self.kafka_ssl_key_file,
            self.kafka_ssl_key_password.get_secret_value(),
        )


def load_settings(**overrides: Any) -> Settings:
    """Read and validate every setting.

    Args:
        overrides: values that win over environment and file (command-line options).

    Raises:
        SettingsError: a setting is unknown or wrong; the message names each one.
    """
    settings = load_told_settings(**overrides)
    learned = _endpoints_of_local_parts(settings)
    return settings.model_copy(update=learned) if learned else settings


def load_told_settings(**overrides: Any) -> Settings:
    """As `load_settings`, without what `kith up` noted: only what a person set. Raises the same."""
    _refuse_unknown_environment()
    try:
        return Settings(**overrides)
    except ValidationError as error:
        raise SettingsError(_describe(error), "See `kith settings` for every name and its values.") from error
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{CONFIG_FILE} is not valid TOML: {error}.", "Correct the line named.") from error


def require(settings: Settings, *names: str) -> None:
    """Stop when one of the named settings is empty.

    Raises:
        SettingsError: names the first empty setting and how to give it.
    """
    for name in names:
        if not getattr(settings, name):
            raise SettingsError(
                f"{ENV_PREFIX}{name.upper()} is not set and no local part is known.",
                f"Run `kith up` here, or set {ENV_PREFIX}{name.upper()}.",
            )


def _refuse_unknown_environment() -> None:
    known = {ENV_PREFIX + name.upper() for name in Settings.model_fields}
    for name in sorted(os.environ):
        if name.startswith(ENV_PREFIX) and name.upper() not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f"Did you mean {close[0]}?" if close else "See `kith settings` for every name."
            raise SettingsError(f"Unknown setting {name} in the environment.", hint)


def _endpoints_of_local_parts(settings: Settings) -> dict[str, str]:
    path = settings.state_dir / ENDPOINTS_FILE
    if not path.is_file():
        return {}
    endpoints = json.loads(path.read_text())
    return {name: endpoints[name] for name in _ENDPOINT_SETTINGS if endpoints.get(name) and not getattr(settings, name)}


def _describe(error: ValidationError) -> str:
    parts = []
    for item in error.errors():
        name = ".".join(str(x) for x in item["loc"]) or "settings"
        if item["type"] == "extra_forbidden":
            close = difflib.get_close_matches(name, Settings.model_fields, n=1)
            parts.append(f"unknown setting {name} in {CONFIG_FILE}" + (f" (did you mean {close[0]}?)" if close else ""))
        else:
            shown = "" if name.endswith(("password", "token", "key", "settings")) else f" (got {item['input']!r})"
            parts.append(f"{name}: {item['msg'].removeprefix('Value error, ')}{shown}")
    return "Wrong settings: " + "; ".join(parts) + "."


def forget_environment() -> None:
    """Drop every `KITH_*` from this process's environment, so that a test session starts from the defaults."""
    for name in [name for name in os.environ if name.startswith(ENV_PREFIX)]:
        del os.environ[name]
