"""The requests of a run: by kind, so many of each, always the same for a seed."""

import random
from collections.abc import Iterator
from pathlib import Path

import hypothesis
from hypothesis import HealthCheck, Phase
from hypothesis import strategies as st

from tests.fuzz import live, messages, page, picture_files, rest, tensors
from tests.fuzz.request import Request

ROUND = 1000  # requests that are drawn before they are sent
SHARES = {  # of a round
    messages.KIND: 210,
    tensors.KIND: 210,
    rest.KIND: 160,
    rest.KIND_OF_DOOR: 120,
    picture_files.KIND: 60,
    picture_files.KIND_ON_PAGE: 20,
    page.QUESTIONS: 60,
    page.KIND: 60,
    live.KIND: 100,
}


def generate(count: int, seed: int, base_path: Path, component: int) -> Iterator[Request]:
    """Yields the requests of a run, all kinds mixed.

    Args:
        count: of requests.
        base_path: of the model that is served.
        component: Gradio's number of the page's live component.
    """
    strategies = {
        messages.KIND: messages.message_requests(base_path),
        tensors.KIND: tensors.tensor_requests(),
        rest.KIND: rest.rest_requests(),
        rest.KIND_OF_DOOR: rest.door_requests(),
        picture_files.KIND: picture_files.server_pictures(),
        picture_files.KIND_ON_PAGE: picture_files.page_pictures(),
        page.QUESTIONS: page.question_requests(component),
        page.KIND: page.page_requests(),
        live.KIND: live.live_requests(),
    }
    for start in range(0, count, ROUND):
        size = min(ROUND, count - start)
        requests = [
            request
            for kind, share in SHARES.items()
            for request in draw(
                strategies[kind], max(1, share * size // ROUND), f"{seed} {start} {kind}"
            )
        ]
        random.Random(f"{seed} {start}").shuffle(requests)
        yield from requests


def draw(strategy: st.SearchStrategy[Request], count: int, seed: str) -> list[Request]:
    """Draws so many examples; Hypothesis makes them, which is a property's test otherwise."""
    drawn: list[Request] = []

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=count,
        phases=[Phase.generate],
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @hypothesis.given(strategy)
    def collect(request: Request) -> None:
        drawn.append(request)

    collect()
    return drawn
