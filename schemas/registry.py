"""Schema Registry: register, fetch, cache; unreachable is told apart from unknown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx2
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from confluent_kafka.schema_registry.error import SchemaRegistryError

from kith.errors import InputError, KithError, Unavailable
from schemas.contracts import incompatibilities, schema_text

COMPATIBILITY = "BACKWARD_TRANSITIVE"

_NOT_FOUND = 404
_INCOMPATIBLE = 409
_INVALID = 422
_NOT_ALLOWED = frozenset({401, 403})
_TRANSPORT_ERRORS = (httpx2.TransportError, httpx2.DecodingError)


class UnknownSchema(KithError):
    """The registry has no schema of this id: the record that names it can never be read."""


class Registry:
    """A Confluent-compatible Schema Registry. Every call is blocking; results are cached for ever, as ids are.

    Args:
        url: without user name and password; it stands in messages.
        login: user name and password for HTTP basic authentication; None for none.
        ca_file: certificates (PEM) that are trusted over https; None trusts the usual ones.
        timeout_s: for each answer, seconds.
    """

    def __init__(
        self,
        url: str,
        *,
        login: tuple[str, str] | None = None,
        ca_file: Path | None = None,
        timeout_s: float = 5.0,
    ) -> None:
        self._url = url
        config: dict[str, Any] = {
            "url": url,
            "timeout": timeout_s,
            "max.retries": 1,
            "retries.wait.ms": 100,
            "retries.max.wait.ms": 500,
        }
        if login is not None:
            config["basic.auth.user.info"] = ":".join(login)
        if ca_file is not None:
            config["ssl.ca.location"] = str(ca_file)
        self._client = SchemaRegistryClient(config)
        self._texts: dict[int, str] = {}
        self._ids: dict[tuple[str, str], int] = {}

    def close(self) -> None:
        """Drop the connection."""
        self._client.close()

    def known(self, schema_id: int) -> bool:
        """Whether `text` would answer from the cache."""
        return schema_id in self._texts

    def text(self, schema_id: int) -> str:
        """The schema with this id.

        Raises:
            UnknownSchema: the registry answers, and has no such id.
            Unavailable: the registry does not answer.
        """
        if schema_id not in self._texts:
            try:
                found = self._client.get_schema(schema_id).schema_str
            except SchemaRegistryError as error:
                if error.http_status_code == _NOT_FOUND:
                    raise UnknownSchema(f"The registry has no schema with id {schema_id}.") from error
                raise self._unavailable(error) from error
            except _TRANSPORT_ERRORS as error:
                raise self._unavailable(error) from error
            self._texts[schema_id] = str(found)
        return self._texts[schema_id]

    def register(self, subject: str, kind: type) -> int:
        """Register the tree's contract of a record type under a subject and return its id; repeating is harmless.

        Raises:
            InputError: the registry refuses it as incompatible with an earlier version.
            Unavailable: the registry does not answer.
        """
        text = schema_text(kind)
        if (subject, text) not in self._ids:
            schema_id = self._register(subject, text)
            self._ids[subject, text] = schema_id
            self._texts[schema_id] = text
        return self._ids[subject, text]

    def declare(self, subject: str, kind: type) -> int:
        """Register as `register` does, under the rule that every version of the subject must keep.

        Raises:
            InputError: the registry refuses it as incompatible with an earlier version.
            Unavailable: the registry does not answer.
        """
        self._require_compatibility(subject)
        schema_id = self.register(subject, kind)
        self._require_compatibility(subject)
        return schema_id

    def _require_compatibility(self, subject: str) -> None:
        try:
            self._client.set_compatibility(subject, COMPATIBILITY)
        except SchemaRegistryError as error:
            # Some registries keep no rule for a subject that has no version yet.
            if error.http_status_code != _NOT_FOUND:
                raise self._unavailable(error) from error
        except _TRANSPORT_ERRORS as error:
            raise self._unavailable(error) from error

    def _register(self, subject: str, text: str) -> int:
        try:
            return self._client.register_schema(subject, Schema(text, "AVRO"))
        except SchemaRegistryError as error:
            if error.http_status_code in (_INCOMPATIBLE, _INVALID):
                why = self._incompatible_fields(subject, text) or error.error_message
                raise InputError(
                    f"The registry refuses the schema of {subject}: {why}.",
                    f"Keep it {COMPATIBILITY} with every earlier version: add fields with defaults only.",
                ) from error
            raise self._unavailable(error) from error
        except _TRANSPORT_ERRORS as error:
            raise self._unavailable(error) from error

    def _incompatible_fields(self, subject: str, text: str) -> str:
        """What of a contract an earlier version of the subject is incompatible with; empty when that cannot be told."""
        try:
            earlier = [self._client.get_version(subject, number) for number in self._client.get_versions(subject)]
        except (SchemaRegistryError, *_TRANSPORT_ERRORS):
            return ""
        found = {
            f"version {one.version} has another {reason}"
            for one in earlier
            if one.schema.schema_type in (None, "AVRO")
            for reason in incompatibilities(reader=text, writer=str(one.schema.schema_str))
        }
        return "; ".join(sorted(found))

    def _unavailable(self, error: Exception) -> Unavailable:
        if isinstance(error, SchemaRegistryError) and error.http_status_code in _NOT_ALLOWED:
            return Unavailable(
                f"The Schema Registry at {self._url} refuses this user ({error.http_status_code}).",
                "Check KITH_SCHEMA_REGISTRY_USERNAME and KITH_SCHEMA_REGISTRY_PASSWORD, and the user's rights there.",
            )
        if "CERTIFICATE_VERIFY_FAILED" in str(error):
            return Unavailable(
                f"The Schema Registry at {self._url} has a certificate that is not trusted ({error}).",
                "Check KITH_SCHEMA_REGISTRY_CA_FILE, and that the URL names the host as the certificate does.",
            )
        return Unavailable(
            f"The Schema Registry at {self._url} does not answer ({type(error).__name__}: {error}).",
            "Check KITH_SCHEMA_REGISTRY_URL and that it is up.",
        )
