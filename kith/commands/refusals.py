"""Why a part does not answer that was reached: a certificate or a user that is refused. Asked after a failure only."""

from __future__ import annotations

import socket
import ssl
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from kith.certificates import tls_context
from kith.deadline import Deadline
from kith.errors import KithError, SettingsError, Unavailable
from kith.settings import Settings, load_settings

if TYPE_CHECKING:
    from confluent_kafka import KafkaError

_LOOK_S = 3.0
_EACH_S = 0.5
_HTTPS_PORT = 443
_LONGEST = 250


def explained(error: KithError) -> KithError:
    """A failure that says more: the setting to correct, where a part refuses this user or shows a wrong certificate."""
    if not isinstance(error, Unavailable):
        return error
    try:
        settings = load_settings()
    except SettingsError:
        return error
    found = None
    if "Kafka" in error.message and settings.kafka_bootstrap:
        found = _kafka(settings)
    elif "Milvus" in error.message and settings.milvus_uri.startswith("https://"):
        found = _milvus(settings)
    return found or error


def _kafka(settings: Settings) -> KithError | None:
    if settings.kafka_security_protocol.endswith("PLAINTEXT"):
        return _plain_text_to_tls(settings)
    from confluent_kafka import KafkaException
    from confluent_kafka.admin import AdminClient

    said: list[KafkaError] = []
    admin = AdminClient(settings.kafka_client(error_cb=said.append, log_level=0))
    deadline = Deadline.after(_LOOK_S)
    while not deadline.expired():
        try:
            admin.list_topics(timeout=_EACH_S)
        except KafkaException:
            admin.poll(0)
        else:
            return None
        if found := next((told for one in said if (told := _of_kafka(one, settings)) is not None), None):
            return found
    return None


def _plain_text_to_tls(settings: Settings) -> KithError | None:
    host, _, port = settings.kafka_bootstrap.partition(",")[0].strip().rpartition(":")
    if not port.isdecimal() or not _speaks_tls(host.strip("[]"), int(port)):
        return None
    return SettingsError(
        f"Kafka at {settings.kafka_bootstrap} speaks TLS, and not {settings.kafka_security_protocol}.",
        "Set KITH_KAFKA_SECURITY_PROTOCOL to SSL or SASL_SSL.",
    )


def _speaks_tls(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), timeout=_LOOK_S) as plain:
            tls_context().wrap_socket(plain, server_hostname=host).close()
    except ssl.SSLCertVerificationError:
        return True
    except OSError:
        return False
    return True


def _of_kafka(error: KafkaError, settings: Settings) -> KithError | None:
    from confluent_kafka import KafkaError

    text, where = " ".join(error.str().split())[:_LONGEST], settings.kafka_bootstrap
    if error.code() == KafkaError._AUTHENTICATION:  # noqa: SLF001 - their name for it
        return SettingsError(
            f"Kafka at {where} refuses the user {settings.kafka_sasl_username}: {text}.",
            "Check KITH_KAFKA_SASL_USERNAME, KITH_KAFKA_SASL_PASSWORD and KITH_KAFKA_SASL_MECHANISM.",
        )
    # A broker that does not take our certificate only hangs up, as far as the code tells.
    if error.code() == KafkaError._SSL or "SSL routines" in text:  # noqa: SLF001 - their name for it
        return SettingsError(
            f"Kafka at {where} is not reached over TLS: {text}.",
            "Check KITH_KAFKA_SSL_CA_FILE and the client certificate, and that the brokers are named as in theirs.",
        )
    return None


def _milvus(settings: Settings) -> KithError | None:
    at = urlsplit(settings.milvus_uri)
    host = at.hostname or ""
    try:
        with socket.create_connection((host, at.port or _HTTPS_PORT), timeout=_LOOK_S) as plain:
            tls_context(settings.milvus_ca_file).wrap_socket(plain, server_hostname=host).close()
    except ssl.SSLError as error:
        why = error.verify_message if isinstance(error, ssl.SSLCertVerificationError) else error.reason or "no TLS"
        return SettingsError(
            f"Milvus at {settings.milvus_uri} is not reached over TLS: {why}.",
            "Check KITH_MILVUS_CA_FILE, and that KITH_MILVUS_URI names the host as its certificate does.",
        )
    except OSError:
        return None
    return None
