import os
import socket
from collections.abc import Iterator

import pytest

from kith.errors import PartFailed
from kith.services.ports import LOOPBACK, free_port, is_free, listens, take_port


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server((LOOPBACK, free_port())) as server:
        yield server.getsockname()[1]


def test_free_port_lies_below_the_ports_given_to_clients():
    port = free_port()
    assert port < 32_768
    assert is_free(port)
    assert not listens(port)


def test_listens_tells_an_open_port(taken):
    assert listens(taken)
    assert not is_free(taken)


def test_port_asked_for_and_taken_names_port_setting_and_holder(taken):
    with pytest.raises(PartFailed) as failed:
        take_port(taken, None, "KITH_KAFKA_PORT")
    assert f"Port {taken} is taken" in str(failed.value)
    assert f"(process {os.getpid()})" in str(failed.value)
    assert "KITH_KAFKA_PORT" in failed.value.hint


def test_port_asked_for_must_not_be_that_of_another_part():
    port = free_port()
    with pytest.raises(PartFailed, match=str(port)):
        take_port(port, None, "KITH_MILVUS_PORT", avoid=[port])


def test_remembered_port_is_kept_while_it_is_free():
    port = free_port()
    assert take_port(0, port, "KITH_MILVUS_PORT") == port


def test_remembered_port_that_somebody_took_is_given_up(taken):
    assert take_port(0, taken, "KITH_MILVUS_PORT") != taken


def test_port_asked_for_wins_over_the_remembered_one():
    wanted, remembered = free_port(), free_port()
    assert take_port(wanted, remembered, "KITH_MILVUS_PORT") == wanted
