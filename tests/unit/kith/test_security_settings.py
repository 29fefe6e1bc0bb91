"""Security settings: given whole or refused by name, handed to every client, shown by nothing."""

import re
import traceback

import pytest

from kith import wiring
from kith.certificates import CertificateError, tls_context
from kith.errors import SettingsError
from kith.settings import Settings, load_settings
from kith.wiring_serving import allowed_reply_topics
from tests.kith_process import one_line_error, run
from tests.security.authority import Authority

SECRET = "s3cret-4711"
SASL = {"kafka_security_protocol": "SASL_SSL", "kafka_sasl_username": "kith", "kafka_sasl_password": SECRET}


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("ca"), "unit")


@pytest.fixture(scope="module")
def identity(authority):
    return authority.identity("client")


@pytest.fixture(scope="module")
def encrypted(authority):
    return authority.identity("encrypted", password=SECRET)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"kafka_security_protocol": "SASL_SSL"}, ["SASL", "kafka_sasl_username must be set"]),
        ({"kafka_security_protocol": "SASL_SSL", "kafka_sasl_username": "x"}, ["kafka_sasl_password must be set"]),
        ({"kafka_sasl_username": "x"}, ["kafka_sasl_username is set", "kafka_security_protocol must be SASL_SSL"]),
        ({"kafka_sasl_password": SECRET}, ["kafka_sasl_password is set", "SASL_SSL"]),
        ({"kafka_ssl_ca_file": "ca"}, ["kafka_ssl_ca_file is set", "SSL or SASL_SSL"]),
        (
            {"kafka_security_protocol": "SSL", "kafka_ssl_certificate_file": "c"},
            ["kafka_ssl_key_file must be set"],
        ),
        (
            {"kafka_security_protocol": "SSL", "kafka_ssl_key_file": "k"},
            ["kafka_ssl_certificate_file must be set"],
        ),
        (
            {"kafka_security_protocol": "SSL", "kafka_ssl_key_password": SECRET},
            ["kafka_ssl_key_password is set", "kafka_ssl_key_file must be set"],
        ),
        ({"schema_registry_username": "x"}, ["schema_registry_password must be set"]),
        ({"schema_registry_password": SECRET}, ["schema_registry_username must be set"]),
        (
            {"schema_registry_username": "a:b", "schema_registry_password": SECRET},
            ["schema_registry_username", "colon"],
        ),
        ({"schema_registry_url": f"https://kith:{SECRET}@host"}, ["schema_registry_url", "settings"]),
        ({"milvus_uri": f"https://root:{SECRET}@host"}, ["milvus_uri", "settings"]),
        ({"milvus_uri": "http://host", "milvus_ca_file": "ca"}, ["milvus_ca_file", "milvus_uri", "https://"]),
        (
            {"schema_registry_url": "http://host", "schema_registry_ca_file": "ca"},
            ["schema_registry_ca_file", "https://"],
        ),
        ({"milvus_uri": "https://host", "milvus_ca_file": "/nowhere.pem"}, ["milvus_ca_file", "/nowhere.pem"]),
        (SASL | {"kafka_ssl_ca_file": "/nowhere.pem"}, ["kafka_ssl_ca_file", "No such file"]),
        ({"reply_topics_allowed": "(("}, ["reply_topics_allowed", "no regular expression"]),
    ],
)
def test_what_is_given_by_half_is_refused_by_name_and_no_secret_is_shown(given, words):
    with pytest.raises(SettingsError) as refused:
        load_settings(**given)
    said = str(refused.value)
    assert [word for word in words if word not in said] == [], said
    assert SECRET not in "".join(traceback.format_exception(refused.value))


def test_a_file_that_is_no_certificate_is_refused_with_its_setting_and_not_its_content(tmp_path, identity):
    nonsense = tmp_path / "nonsense.pem"
    nonsense.write_text(f"-----BEGIN {SECRET}")
    for given in (
        {"kafka_ssl_ca_file": nonsense},
        {"kafka_ssl_certificate_file": nonsense, "kafka_ssl_key_file": identity.key},
        {"kafka_ssl_certificate_file": identity.certificate, "kafka_ssl_key_file": nonsense},
    ):
        with pytest.raises(SettingsError) as refused:
            load_settings(kafka_security_protocol="SSL", **given)
        assert str(nonsense) in str(refused.value)
        assert SECRET not in "".join(traceback.format_exception(refused.value))


def test_a_key_of_another_certificate_is_refused(identity, encrypted, authority):
    other = authority.identity("other")
    with pytest.raises(CertificateError, match="key values mismatch"):
        tls_context(None, identity.certificate, other.key)


@pytest.mark.parametrize("password", ["", "wrong"])
def test_an_encrypted_key_without_its_password_is_refused_and_asks_nobody(encrypted, password):
    with pytest.raises(CertificateError):
        tls_context(None, encrypted.certificate, encrypted.key, password)
    tls_context(None, encrypted.certificate, encrypted.key, SECRET)


def test_every_kafka_client_gets_all_of_it(authority, encrypted):
    settings = Settings(
        **SASL,
        kafka_ssl_ca_file=authority.ca_file,
        kafka_ssl_certificate_file=encrypted.certificate,
        kafka_ssl_key_file=encrypted.key,
        kafka_ssl_key_password=SECRET,
    )
    config = settings.kafka_client()
    assert config["ssl.ca.location"] == str(authority.ca_file)
    assert config["ssl.certificate.location"] == str(encrypted.certificate)
    assert (config["ssl.key.location"], config["ssl.key.password"]) == (str(encrypted.key), SECRET)
    assert (config["sasl.username"], config["sasl.password"]) == ("kith", SECRET)
    credentials = wiring.faust_credentials(settings)
    assert (credentials.protocol.value, credentials.mechanism.value) == ("SASL_SSL", "SCRAM-SHA-512")
    assert credentials.ssl_context.get_ca_certs()[0]["subject"] == ((("commonName", "unit"),),)
    assert SECRET not in repr(credentials)


def test_no_way_of_showing_settings_shows_a_secret():
    settings = Settings(
        **SASL, schema_registry_username="x", schema_registry_password=SECRET, milvus_token=f"root:{SECRET}"
    )
    shown = f"{settings!r} {settings} {settings.model_dump()} {settings.model_dump(mode='json')}"
    assert SECRET not in shown + settings.model_dump_json()


def test_the_commands_show_no_secret():
    given = {f"KITH_{name.upper()}": value for name, value in SASL.items()} | {"KITH_MILVUS_TOKEN": f"root:{SECRET}"}
    for arguments in (("settings",), ("settings", "--json"), ("status",)):
        done = run(given, *arguments)
        assert done.returncode == 0, done.stderr
        assert SECRET not in done.stdout + done.stderr


def test_a_misspelled_secret_is_named_and_not_shown(tmp_path):
    (tmp_path / "kith.toml").write_text(f'kafka_sasl_pasword = "{SECRET}"\n')
    for done in (run({}, "status", cwd=tmp_path), run({"KITH_KAFKA_SASL_PASWORD": SECRET}, "status")):
        assert "kafka_sasl_pas" in one_line_error(done).lower()
        assert SECRET not in done.stdout + done.stderr


def test_the_prefix_stands_before_every_alternative_of_allowed_reply_topics():
    pattern = allowed_reply_topics(Settings(topic_prefix="t.", reply_topics_allowed=r"search\.replies|shop\.answers"))
    assert [name for name in ("t.search.replies", "t.shop.answers") if not re.fullmatch(pattern, name)] == []
    assert [name for name in ("shop.answers", "search.replies", "t.x") if re.fullmatch(pattern, name)] == []
