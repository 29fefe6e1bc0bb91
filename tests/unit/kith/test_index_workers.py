"""The health ports of several indexers."""

import pytest

from kith.commands.index_workers import health_ports
from kith.errors import InputError


def test_ports_follow_the_first():
    assert health_ports(9464, 3) == [9464, 9465, 9466]


def test_without_a_first_one_they_are_free_and_differ():
    assert len(set(health_ports(0, 4))) == 4


def test_ports_beyond_the_last_are_refused():
    with pytest.raises(InputError, match="beyond 65535"):
        health_ports(65_534, 3)
