"""Failures that a person or a caller is told about in one sentence.

KithError
├── SettingsError      a setting is missing or wrong: start-up stops
├── InputError         something handed in cannot be used as it is
├── ReleaseError       a model release is missing, incomplete or altered
├── MissingTool        a program this machine needs is not installed
├── PartFailed         a part (broker, registry, Milvus) did not start or ended
└── Unavailable        not now: nothing may be assumed done, try again later
"""

from __future__ import annotations


class KithError(Exception):
    """Base of every expected failure.

    Args:
        message: what went wrong and where, one sentence.
        hint: what to do about it, one sentence; shown after the message.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


class SettingsError(KithError):
    """A setting is missing, unknown or wrong; names the setting."""


class InputError(KithError):
    """Something handed in (a file, a line, an argument) cannot be used as it is."""


class ReleaseError(KithError):
    """A model release is missing, incomplete or altered."""


class MissingTool(KithError):
    """A program this machine needs is not installed; the hint says what to install."""


class PartFailed(KithError):
    """A part (broker, registry, Milvus) did not start, or ended by itself."""


class Unavailable(KithError):
    """Not now. Nothing may be assumed done; the whole batch may be tried again.

    Args:
        retry_after_s: seconds to wait at least before the next attempt.
    """

    def __init__(self, message: str, hint: str = "", *, retry_after_s: float = 0.5) -> None:
        super().__init__(message, hint)
        self.retry_after_s = retry_after_s
