"""The fixtures of the integration tests: these are slower ones of the kind."""

from tests.integration.conftest import bus, held, worker

__all__ = ["bus", "held", "worker"]
