"""What a request may see: labels out of its signed rights (RFC 7519). No message repeats a token or what is in it."""

from __future__ import annotations

import re
from typing import Any

import jwt

from kith.errors import InputError
from workers.filters import MAX_VALUES

ALGORITHMS = ("HS256", "RS256", "ES256", "EdDSA")

# Who these statements are for, where they say so: one that was signed for another service is not for us.
AUDIENCE = "kith"

# A statement of a few labels has some hundred bytes; nothing is decoded of what is far longer.
_MOST_CHARS = 16_384
# Beside what everybody sees.
_MOST_LABELS = MAX_VALUES - 1
_CLOCKS_APART_S = 5
_LABEL = re.compile("[a-z0-9_-]{1,32}")


class Rights:
    """Checks rights with one key and one algorithm, whatever a token names.

    Args:
        key: shared secret (HS256, at least 32 bytes), or public key in PEM (RS256, ES256, EdDSA); empty: no rights are
            taken.
        algorithm: one of `ALGORITHMS`.

    Raises:
        InputError: the key cannot be used with this algorithm.
    """

    def __init__(self, key: str = "", algorithm: str = ALGORITHMS[0]) -> None:
        self._algorithm = algorithm
        self._key = _prepared(key, algorithm) if key else None

    def labels(self, token: str | None, requester: str | None) -> tuple[str, ...]:
        """The labels that a request may see beside what everybody sees; each once, in order.

        Args:
            token: the rights as the request carries them; None where it has none.
            requester: who asks, as the request says.

        Raises:
            InputError: the rights do not hold; says why.
        """
        if token is None:
            return ()
        if self._key is None:
            raise InputError(
                "The request has rights, and this service has no key to check them with.",
                "Leave them out, or set KITH_RIGHTS_KEY where `kith serve` runs.",
            )
        claims = self._claims(token, self._key)
        _check_holder(claims, requester)
        return _labels(claims.get("labels"))

    def _claims(self, token: str, key: Any) -> dict[str, Any]:
        if len(token) > _MOST_CHARS or not token.isascii():
            raise _refused("are no JWT that holds")
        try:
            return jwt.decode(
                token,
                key,
                algorithms=[self._algorithm],
                options={"require": ["exp"], "verify_aud": False},
                leeway=_CLOCKS_APART_S,
            )
        # Without their causes, whose messages hold pieces of the token.
        except jwt.ExpiredSignatureError:
            raise _refused("have expired", "Ask for new ones.") from None
        except jwt.ImmatureSignatureError:
            raise _refused("are not valid yet", "Check the clocks.") from None
        except jwt.MissingRequiredClaimError:
            raise _refused("do not say when they end", "Sign them with exp.") from None
        except jwt.InvalidAlgorithmError:
            raise _refused(f"are not signed with {self._algorithm}") from None
        except jwt.InvalidSignatureError:
            raise _refused("have a signature of another key") from None
        except jwt.InvalidTokenError:
            raise _refused("are no JWT that holds", "Give the token alone, as it was signed.") from None


def _prepared(key: str, algorithm: str) -> Any:
    if algorithm not in ALGORITHMS:
        raise InputError(f"KITH_RIGHTS_ALGORITHM is {algorithm!r}.", f"Give one of {', '.join(ALGORITHMS)}.")
    held = jwt.get_algorithm_by_name(algorithm)
    hint = "Give a shared secret for HS256, a public key in PEM for the others."
    try:
        prepared = held.prepare_key(key)
    except (jwt.InvalidKeyError, ValueError, TypeError):
        raise InputError(f"KITH_RIGHTS_KEY is no key for {algorithm}.", hint) from None
    if hasattr(prepared, "private_bytes"):
        raise InputError("KITH_RIGHTS_KEY is a private key.", "Give the public one: only who signs needs the other.")
    if held.check_key_length(prepared):
        raise InputError(
            f"KITH_RIGHTS_KEY is too short for {algorithm}.", "Give 32 bytes or more; of RSA, 2048 bits or more."
        )
    return prepared


def _check_holder(claims: dict[str, Any], requester: str | None) -> None:
    if "sub" in claims and claims["sub"] != requester:
        raise _refused("belong to another requester", "The request's requester has to be their sub.")
    meant = claims.get("aud", AUDIENCE)
    if AUDIENCE not in (meant if isinstance(meant, list) else [meant]):
        raise _refused("are meant for another service", f"Sign them with aud {AUDIENCE}, or without.")


def _labels(given: object) -> tuple[str, ...]:
    if not isinstance(given, list) or len(given) > _MOST_LABELS:
        raise _refused("name no labels", f"Sign them with labels, a list of up to {_MOST_LABELS}.")
    labels = [one for one in given if isinstance(one, str) and _LABEL.fullmatch(one)]
    if len(labels) < len(given):
        raise _refused("hold what is no label", "A label is 1 to 32 of a-z 0-9 _ -")
    return tuple(sorted(set(labels)))


def _refused(what: str, hint: str = "") -> InputError:
    return InputError(f"The rights {what}.", hint)
