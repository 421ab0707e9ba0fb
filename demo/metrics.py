"""What the page tells Prometheus at /metrics: visitors, answers and their time, what waits."""

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

# Seconds; a frame lasts 0.017, and a browser gives an answer up after 5.
BUCKETS = (0.0025, 0.005, 0.01, 0.017, 0.034, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)


class Metrics:
    """Counts what one page does."""

    def __init__(self):
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        to = {"registry": self._registry}
        self.visitors = Gauge("layer_xray_visitors", "Live connections that are open.", **to)
        self.refused = Counter(
            "layer_xray_refused_visitors",
            "Live connections that found no room, or were opened by other sites or without login.",
            ["reason"],
            **to,
        )
        for reason in ("full", "cross_site"):
            self.refused.labels(reason)  # so that both begin at 0
        self.superseded = Counter(
            "layer_xray_superseded_drawings",
            "Drawings that were not read, since the visitor had drawn on.",
            **to,
        )
        self.waiting = Gauge(
            "layer_xray_queued_drawings", "Drawings that wait for the model server.", **to
        )
        self._answers = Histogram(
            "layer_xray_answer_seconds",
            "What browsers have asked, by what came of it, until the answer was made.",
            ["ask", "outcome"],
            buckets=BUCKETS,
            **to,
        )
        self._rest = Histogram(
            "layer_xray_rest_seconds", "Requests under /v1, by status.", ["status"], **to
        )

    def answered(self, ask: str, outcome: str, seconds: float) -> None:
        """Counts an answer to a browser."""
        self._answers.labels(ask, outcome).observe(seconds)

    def passed_on(self, status: int, seconds: float) -> None:
        """Counts a request under /v1."""
        self._rest.labels(status).observe(seconds)

    def route(self, auth: tuple[str, str] | None = None) -> Route:
        """The route that tells them, to callers with user and password if there are any."""

        def tell(request: Request) -> Response:
            if auth and not has_password(request, auth):
                return PlainTextResponse(
                    "This page asks for a user and a password.", 401, ASK_FOR_PASSWORD
                )
            return Response(generate_latest(self._registry), media_type=CONTENT_TYPE_LATEST)

        return Route("/metrics", tell)
