"""Prometheus metrics of the page server, at /metrics."""

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from demo.auth import ASK_FOR_PASSWORD, has_password

# Seconds; a frame lasts 0.017, and the browser times out after 5.
BUCKETS = (0.0025, 0.005, 0.01, 0.017, 0.034, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)


class Metrics:
    """The metrics of one page."""

    def __init__(self):
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        registry = {"registry": self._registry}
        self.visitors = Gauge("layer_xray_visitors", "Open live connections.", **registry)
        self.refused = Counter(
            "layer_xray_refused_visitors",
            "Live connections refused: page full, or opened by another site or without login.",
            ["reason"],
            **registry,
        )
        for reason in ("full", "cross_site"):
            self.refused.labels(reason)  # so that both are exported from the start
        self.superseded = Counter(
            "layer_xray_superseded_drawings",
            "Drawings skipped because the visitor had sent a newer one.",
            **registry,
        )
        self.queued = Gauge(
            "layer_xray_queued_drawings", "Drawings waiting for the model server.", **registry
        )
        self._answers = Histogram(
            "layer_xray_answer_seconds",
            "Time to answer a question of a browser, by kind and outcome.",
            ["ask", "outcome"],
            buckets=BUCKETS,
            **registry,
        )
        self._rest = Histogram(
            "layer_xray_rest_seconds",
            "Time to answer a request under /v1, by status.",
            ["status"],
            **registry,
        )

    def answered(self, ask: str, outcome: str, seconds: float) -> None:
        """Records an answer to a browser or to a caller of the page's API."""
        self._answers.labels(ask, outcome).observe(seconds)

    def passed_on(self, status: int, seconds: float) -> None:
        """Records a request under /v1."""
        self._rest.labels(status).observe(seconds)

    def route(self, auth: tuple[str, str] | None = None) -> Route:
        """Returns the route of the metrics.

        Args:
            auth: user and password that callers must give (HTTP Basic), if any.
        """

        def send(request: Request) -> Response:
            if auth and not has_password(request, auth):
                return PlainTextResponse(
                    "This page asks for a user and a password.", 401, ASK_FOR_PASSWORD
                )
            return Response(generate_latest(self._registry), media_type=CONTENT_TYPE_LATEST)

        return Route("/metrics", send)
