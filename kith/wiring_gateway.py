"""Composition of the HTTP gateway: settings to what asks over the bus, what publishes feedback, and the application."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version

from fastapi import FastAPI

from kith import wiring
from kith.settings import Settings, require
from kith.wiring_metrics import describe_gateway
from workers.feedback_sender import FeedbackSender
from workers.gateway.app import Bounds, Gateway, create_app
from workers.gateway.messages import Timeouts
from workers.search_client import SearchClient


@dataclass(frozen=True, slots=True)
class GatewayParts:
    """The application, and what it works with: `feedback` is entered while it serves, `client` closed after it."""

    app: FastAPI
    client: SearchClient
    feedback: FeedbackSender


def gateway(settings: Settings) -> GatewayParts:
    """What answers HTTP requests; it reaches Kafka and the registry, and nothing else.

    Raises:
        kith.errors.InputError: the registry refuses a contract.
        kith.errors.Unavailable: Kafka or the registry does not answer.
    """
    require(settings, "kafka_bootstrap", "schema_registry_url")
    client = wiring.search_client(settings)
    feedback = FeedbackSender(settings.kafka_client(), wiring.codec(settings), wiring.bus_topics(settings))
    feedback.learn()
    bounds = Bounds(
        Timeouts(min(settings.query_timeout_s, settings.gateway_max_timeout_s), settings.gateway_max_timeout_s),
        settings.gateway_max_in_flight,
        settings.gateway_max_body_bytes,
    )
    app = create_app(Gateway(client, feedback, bounds), {"kafka": feedback.reason}, version("kith"))
    describe_gateway(lambda: feedback.reason() is None)
    return GatewayParts(app, client, feedback)
