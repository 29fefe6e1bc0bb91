"""The fixtures of the integration tests: these ask from other languages."""

from tests.integration.conftest import bus, held, worker

__all__ = ["bus", "held", "worker"]
