"""Certificate files as every client needs them: read once, so that a wrong one is told by its setting."""

from __future__ import annotations

import ssl
from pathlib import Path


class CertificateError(Exception):
    """A file holds no certificate or key that can be used; its text never holds what is in the file."""


def tls_context(
    ca_file: Path | None = None,
    certificate_file: Path | None = None,
    key_file: Path | None = None,
    key_password: str = "",
) -> ssl.SSLContext:
    """What a client verifies a server with, and shows of itself.

    Args:
        ca_file: certificates (PEM) that are trusted instead of the system's; None trusts the system's.
        certificate_file, key_file: of the client (PEM), for mutual TLS; both or none.
        key_password: of an encrypted key; empty for a plain one.

    Raises:
        CertificateError: a file cannot be read, or is not what it should be.
    """
    try:
        context = ssl.create_default_context(cafile=None if ca_file is None else str(ca_file))
    except (OSError, ValueError) as error:
        raise CertificateError(f"{ca_file} holds no certificate in PEM ({_reason(error)})") from error
    if certificate_file is not None and key_file is not None:
        try:
            # Without a password of its own OpenSSL would ask for one on the terminal.
            context.load_cert_chain(certificate_file, key_file, password=key_password)
        except (OSError, ValueError) as error:
            raise CertificateError(
                f"{certificate_file} and {key_file} are no certificate and its key in PEM ({_reason(error)})"
            ) from error
    return context


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return (error.reason or "unreadable").replace("_", " ").lower()
    return error.strerror or "unreadable" if isinstance(error, OSError) else "unreadable"
