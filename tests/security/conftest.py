"""An installation behind TLS, users and rights: each process is a user with the rights of its role and no other."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from kith.services.local_stack import PARTS, LocalStack
from kith.settings import Settings
from schemas.access import Role
from tests.conftest import ROOT
from tests.integration.conftest import worker
from tests.kith_process import run
from tests.security import secured_broker
from tests.security.authority import Authority
from tests.security.fronts import milvus_front, registry_front
from tests.security.secured_broker import ADMIN, SecuredBroker

__all__ = ["worker"]

ROLES = {"source": Role.SOURCE, "indexer": Role.INDEXER, "query": Role.QUERY, "client": Role.CLIENT}
OPERATOR, SHOP, GUEST, NOBODY = "operator", "shop", "guest", "nobody"
SHOP_REPLIES, SHOP_GROUP = "search.replies.shop", "shop-1"
_PLAIN_USER, _REGISTRY_USER = "plain", "kith"


@dataclass(frozen=True, slots=True)
class Secured:
    """Where everything is, and who is let in."""

    broker: SecuredBroker
    authority: Authority
    stranger: Authority
    plain: dict[str, str]
    common: dict[str, Any]

    @property
    def secrets(self) -> list[str]:
        """What must never be shown."""
        registry, token = (self.common[name] for name in ("schema_registry_password", "milvus_token"))
        return [*self.broker.users.values(), *self.plain.values(), registry, token.partition(":")[2]]

    def of(self, user: str, **changed: Any) -> Settings:
        """Settings of a user."""
        login = {"kafka_sasl_username": user, "kafka_sasl_password": self.broker.users[user]}
        return Settings(**(self.common | login | changed))

    def by_certificate(self, name: str, password: str = "", **changed: Any) -> Settings:
        """Settings of a user who has a certificate and no password."""
        identity = self.authority.identity(name, password=password)
        tls = {
            "kafka_bootstrap": self.broker.mutual,
            "kafka_security_protocol": "SSL",
            "kafka_ssl_certificate_file": identity.certificate,
            "kafka_ssl_key_file": identity.key,
            "kafka_ssl_key_password": password,
        }
        return Settings(**(self.common | tls | changed))

    def kith(self, settings: Settings, *arguments: str) -> str:
        """Run a command that must succeed; what it printed."""
        done = run(settings, *arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def grant(self, principal: str, role: Role, *options: str) -> None:
        """Grant a role as an administrator would."""
        self.kith(self.of(ADMIN), "topics", "acls", "--role", role, "--apply", "--principal", principal, *options)


@pytest.fixture(scope="session")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    """Broker, registry and Milvus; topics and contracts are there, rights granted as `kith topics acls` has them."""
    folder = tmp_path_factory.mktemp("secured")
    authority, stranger = Authority(folder / "ca", "trusted"), Authority(folder / "stranger", "stranger")
    users = {name: secrets.token_hex(16) for name in (ADMIN, OPERATOR, SHOP, GUEST, NOBODY, *ROLES)}
    plain, login = {_PLAIN_USER: secrets.token_hex(16)}, (_REGISTRY_USER, secrets.token_hex(16))
    token, identity = f"root:{secrets.token_hex(16)}", authority.identity("front")
    parts = LocalStack(folder / "parts", ROOT / ".kith" / "parts", external=["kafka"], say=print)
    broker = None
    try:
        at = parts.start()
        broker = secured_broker.start(folder / "kafka", authority, users, plain)
        with (
            registry_front(at.schema_registry_url, identity, login) as registry_url,
            milvus_front(at.milvus_uri, identity, token) as milvus_uri,
        ):
            common = {
                "kafka_bootstrap": broker.bootstrap,
                "kafka_security_protocol": "SASL_SSL",
                "kafka_ssl_ca_file": authority.ca_file,
                "schema_registry_url": registry_url,
                "schema_registry_username": login[0],
                "schema_registry_password": login[1],
                "schema_registry_ca_file": authority.ca_file,
                "milvus_uri": milvus_uri,
                "milvus_token": token,
                "milvus_ca_file": authority.ca_file,
                "state_dir": folder / "state",
                "partitions": 2,
                "embed_threads": 1,
            }
            one = Secured(broker, authority, stranger, plain, common)
            _set_up(one)
            yield one
    finally:
        if broker is not None:
            broker.stop()
        parts.stop([*reversed(PARTS)])


def _set_up(one: Secured) -> None:
    one.grant(f"User:{OPERATOR}", Role.OPERATOR)
    one.kith(one.of(OPERATOR), "topics", "apply")
    one.kith(one.of(OPERATOR), "schemas", "register")
    for user, role in ROLES.items():
        one.grant(f"User:{user}", role)
    one.grant(f"User:{SHOP}", Role.CLIENT, "--reply-topic", SHOP_REPLIES, "--group", SHOP_GROUP)


@pytest.fixture
def own_state(tmp_path: Path) -> dict[str, Any]:
    """A state folder of its own, for a process of the test."""
    return {"state_dir": tmp_path / "state"}
