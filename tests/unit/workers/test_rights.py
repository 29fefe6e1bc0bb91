"""What holds as rights, and that nothing else does."""

import base64
import hashlib
import hmac
import json
import time

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from kith.errors import InputError
from workers.rights import Rights

SECRET = "a secret of thirty-two bytes or so"
RIGHTS = Rights(SECRET)
# Too short on purpose.
WEAK_KEY = rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505
SOON = int(time.time()) + 3600
RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())
ED_KEY = ed25519.Ed25519PrivateKey.generate()
PAIRS = [("RS256", RSA_KEY), ("ES256", EC_KEY), ("EdDSA", ED_KEY)]


def public_pem(key):
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def private_pem(key):
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def signed(key=SECRET, algorithm="HS256", headers=None, **claims):
    given_ = {"exp": SOON, "labels": ["board"]} | claims
    left = {name: value for name, value in given_.items() if value is not ...}
    return jwt.encode(left, key, algorithm=algorithm, headers=headers)


def by_hand(header, claims, secret=None):
    """A token that no library would sign."""
    parts = [base64.urlsafe_b64encode(json.dumps(one).encode()).rstrip(b"=") for one in (header, claims)]
    signature = b"" if secret is None else hmac.new(secret, b".".join(parts), hashlib.sha256).digest()
    return b".".join([*parts, base64.urlsafe_b64encode(signature).rstrip(b"=")]).decode()


def refusal(token, requester=None, rights=RIGHTS):
    with pytest.raises(InputError) as refused:
        rights.labels(token, requester)
    return str(refused.value)


def test_no_rights_are_no_labels_with_a_key_and_without():
    assert RIGHTS.labels(None, "ada") == Rights().labels(None, None) == ()


def test_labels_come_once_and_in_order():
    assert RIGHTS.labels(signed(labels=["c", "board", "public", "c"]), None) == ("board", "c", "public")
    assert RIGHTS.labels(signed(labels=[]), None) == ()


@pytest.mark.parametrize(("algorithm", "key"), PAIRS)
def test_a_public_key_checks_what_its_private_one_signed(algorithm, key):
    rights = Rights(public_pem(key), algorithm)

    assert rights.labels(signed(key, algorithm), None) == ("board",)
    assert "not signed with" in refusal(signed(), rights=rights)


def test_the_public_key_is_no_secret_to_sign_with():
    pem = public_pem(RSA_KEY)
    forged = by_hand({"alg": "HS256", "typ": "JWT"}, {"exp": SOON, "labels": ["board"]}, pem.encode())

    assert "not signed with RS256" in refusal(forged, rights=Rights(pem, "RS256"))
    with pytest.raises(InputError, match="KITH_RIGHTS_KEY is no key for HS256"):
        Rights(pem, "HS256")


@pytest.mark.parametrize(
    ("token", "said"),
    [
        (signed(exp=SOON - 7200), "have expired"),
        (signed(exp=...), "do not say when they end"),
        (signed(exp=None), "do not say when they end"),
        (signed(exp="soon"), "no JWT"),
        (signed(nbf=SOON), "not valid yet"),
        (signed(iat=SOON), "not valid yet"),
        (signed("another secret of thirty-two bytes"), "signature of another key"),
        (signed("x" * 64, "HS512"), "not signed with HS256"),
        (signed(labels=...), "name no labels"),
        (signed(labels="board"), "name no labels"),
        (signed(labels={"board": True}), "name no labels"),
        (signed(labels=[f"l{n}" for n in range(256)]), "name no labels"),
        (signed(labels=["board", 1]), "hold what is no label"),
        (signed(labels=["board", ""]), "hold what is no label"),
        (signed(labels=['x"] or visibility != ["']), "hold what is no label"),
        (signed(labels=["Board"]), "hold what is no label"),
        (signed(aud="billing"), "meant for another service"),
        (signed(aud=["billing", "mail"]), "meant for another service"),
        (signed(sub="eve"), "belong to another requester"),
        (by_hand({"alg": "none"}, {"exp": SOON, "labels": ["board"]}), "not signed with HS256"),
        (by_hand({"alg": "None"}, {"exp": SOON, "labels": ["board"]}), "not signed with HS256"),
        (by_hand({}, {"exp": SOON, "labels": ["board"]}, SECRET.encode()), "not signed with HS256"),
        (by_hand({"alg": "HS256"}, {"exp": SOON, "labels": ["board"]}), "signature of another key"),
        (by_hand({"alg": "HS256"}, ["board"], SECRET.encode()), "no JWT"),
        (by_hand({"alg": "HS256", "crit": ["x"], "x": 1}, {"exp": SOON, "labels": []}, SECRET.encode()), "no JWT"),
        (by_hand({"alg": "HS256", "b64": False, "crit": ["b64"]}, {"exp": SOON}, SECRET.encode()), "no JWT"),
        ("", "no JWT"),
        ("board", "no JWT"),
        ("a.b.c", "no JWT"),
        ("ä.ö.ü", "no JWT"),
        ("\ud800", "no JWT"),
        ("." * 20_000, "no JWT"),
        (signed() + "x", "signature of another key"),
    ],
)
def test_what_does_not_hold_is_refused_and_never_repeated(token, said):
    message = refusal(token, "ada")

    assert said in message
    pieces = [piece for piece in token.split(".") if len(piece) > 8]
    assert not any(piece in message for piece in pieces)


def test_a_payload_that_was_exchanged_no_longer_fits_its_signature():
    header, _payload, signature = signed(labels=[]).split(".")
    payload = signed(labels=["board"]).split(".")[1]

    assert "signature of another key" in refusal(f"{header}.{payload}.{signature}")


def test_who_holds_them_and_whom_they_are_for_is_looked_at_where_they_say_so():
    assert RIGHTS.labels(signed(sub="ada", aud="kith"), "ada") == ("board",)
    assert RIGHTS.labels(signed(aud=["mail", "kith"]), None) == ("board",)
    for requester in (None, "", "Ada"):
        assert "another requester" in refusal(signed(sub="ada"), requester)


def test_rights_without_a_key_are_refused_and_not_passed_over():
    assert "no key to check them with" in refusal(signed(), rights=Rights())


@pytest.mark.parametrize(
    ("key", "algorithm", "said"),
    [
        ("too little", "HS256", "too short for HS256"),
        (SECRET, "RS256", "no key for RS256"),
        (SECRET, "none", "KITH_RIGHTS_ALGORITHM"),
        (public_pem(EC_KEY), "RS256", "no key for RS256"),
        (public_pem(ec.generate_private_key(ec.SECP384R1())), "ES256", "no key for ES256"),
        (private_pem(RSA_KEY), "RS256", "private key"),
        (private_pem(EC_KEY), "ES256", "private key"),
        (private_pem(ED_KEY), "EdDSA", "private key"),
        (public_pem(WEAK_KEY), "RS256", "too short for RS256"),
    ],
)
def test_a_key_that_does_not_fit_is_refused_at_the_start_and_not_shown(key, algorithm, said):
    with pytest.raises(InputError) as refused:
        Rights(key, algorithm)

    assert said in str(refused.value)
    assert key[:40] not in str(refused.value)


@given(st.text(max_size=60), st.text(max_size=20) | st.none())
def test_no_text_is_rights(token, requester):
    assert "no JWT" in refusal(token, requester)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from(["exp", "labels", "sub", "aud", "nbf", "iat", "jti", "iss"]), json_values))
def test_whatever_was_signed_is_labels_or_a_refusal(claims):
    token = by_hand({"alg": "HS256"}, claims, SECRET.encode())
    try:
        labels = RIGHTS.labels(token, "ada")
    except InputError:
        return
    assert set(labels) <= set(claims["labels"])
    assert claims["exp"] > time.time() - 10
