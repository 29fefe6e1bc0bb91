"""What of the security settings lacks its other half, or would not be used. Pure but for the files that are named."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from pydantic import SecretStr

from kith.certificates import CertificateError, tls_context


class Security(Protocol):
    """Settings of this name, as `kith.settings` describes them."""

    @property
    def kafka_security_protocol(self) -> str: ...
    @property
    def kafka_sasl_username(self) -> str: ...
    @property
    def kafka_sasl_password(self) -> SecretStr: ...
    @property
    def kafka_ssl_ca_file(self) -> Path | None: ...
    @property
    def kafka_ssl_certificate_file(self) -> Path | None: ...
    @property
    def kafka_ssl_key_file(self) -> Path | None: ...
    @property
    def kafka_ssl_key_password(self) -> SecretStr: ...
    @property
    def schema_registry_url(self) -> str: ...
    @property
    def schema_registry_username(self) -> str: ...
    @property
    def schema_registry_password(self) -> SecretStr: ...
    @property
    def schema_registry_ca_file(self) -> Path | None: ...
    @property
    def milvus_uri(self) -> str: ...
    @property
    def milvus_ca_file(self) -> Path | None: ...
    @property
    def traces_endpoint(self) -> str: ...


def half_given(settings: Security) -> str | None:
    """What of the security settings lacks its other half, or would not be used; None when they fit together."""
    return (
        _sasl_half_given(settings)
        or _kafka_tls_half_given(settings)
        or _registry_half_given(settings)
        or _service_half_given("milvus_uri", settings.milvus_uri, "milvus_ca_file", settings.milvus_ca_file)
        or _no_receiver(settings.traces_endpoint)
        or _unusable_file(settings)
    )


def _sasl_half_given(settings: Security) -> str | None:
    given = {
        "kafka_sasl_username": settings.kafka_sasl_username,
        "kafka_sasl_password": settings.kafka_sasl_password.get_secret_value(),
    }
    sasl = settings.kafka_security_protocol.startswith("SASL")
    for name, value in given.items():
        if sasl and not value:
            return f"kafka_security_protocol names SASL, so {name} must be set"
        if value and not sasl:
            return f"{name} is set, so kafka_security_protocol must be SASL_SSL (or SASL_PLAINTEXT)"
    return None


def _kafka_tls_half_given(settings: Security) -> str | None:
    files = {
        name: getattr(settings, name)
        for name in ("kafka_ssl_ca_file", "kafka_ssl_certificate_file", "kafka_ssl_key_file")
    }
    if not settings.kafka_security_protocol.endswith("SSL"):
        unused = next((name for name, path in files.items() if path is not None), None)
        return None if unused is None else f"{unused} is set, so kafka_security_protocol must be SSL or SASL_SSL"
    if files["kafka_ssl_certificate_file"] is not None and files["kafka_ssl_key_file"] is None:
        return "kafka_ssl_certificate_file is set, so kafka_ssl_key_file must be set"
    if files["kafka_ssl_key_file"] is not None and files["kafka_ssl_certificate_file"] is None:
        return "kafka_ssl_key_file is set, so kafka_ssl_certificate_file must be set"
    if settings.kafka_ssl_key_password.get_secret_value() and files["kafka_ssl_key_file"] is None:
        return "kafka_ssl_key_password is set, so kafka_ssl_key_file must be set"
    return None


def _registry_half_given(settings: Security) -> str | None:
    username, password = settings.schema_registry_username, settings.schema_registry_password.get_secret_value()
    if username and not password:
        return "schema_registry_username is set, so schema_registry_password must be set"
    if password and not username:
        return "schema_registry_password is set, so schema_registry_username must be set"
    if ":" in username:
        return "schema_registry_username holds a colon, which HTTP basic authentication cannot carry"
    return _service_half_given(
        "schema_registry_url", settings.schema_registry_url, "schema_registry_ca_file", settings.schema_registry_ca_file
    )


def _service_half_given(name: str, address: str, ca_name: str, ca_file: Path | None) -> str | None:
    # Addresses stand in messages, logs and health answers.
    if "@" in urlsplit(address).netloc:
        return f"{name} holds a user name or password; give these by the settings that are made for them"
    if ca_file is not None and address and urlsplit(address).scheme != "https":
        return f"{ca_name} is set, so {name} must begin with https://"
    return None


def _no_receiver(endpoint: str) -> str | None:
    fits = not endpoint or re.fullmatch(r"https?://[^\s/?#@]+(/[^\s?#]*)?", endpoint)
    return None if fits else "traces_endpoint must be http://host:port or https://host:port, without user or password"


def _unusable_file(settings: Security) -> str | None:
    password = settings.kafka_ssl_key_password.get_secret_value()
    certificate, key = settings.kafka_ssl_certificate_file, settings.kafka_ssl_key_file
    given = {
        "kafka_ssl_ca_file": (settings.kafka_ssl_ca_file, None, None),
        "kafka_ssl_certificate_file": (None, certificate, key),
        "schema_registry_ca_file": (settings.schema_registry_ca_file, None, None),
        "milvus_ca_file": (settings.milvus_ca_file, None, None),
    }
    for name, (ca_file, certificate_file, key_file) in given.items():
        if ca_file is not None or certificate_file is not None:
            try:
                tls_context(ca_file, certificate_file, key_file, password)
            except CertificateError as error:
                return f"{name}: {error}"
    return None
