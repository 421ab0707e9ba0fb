"""Generates the requests of a run, reproducibly by seed."""

import random
from collections.abc import Iterator
from pathlib import Path

import hypothesis
from hypothesis import HealthCheck, Phase
from hypothesis import strategies as st

from tests.fuzz import grpc_messages, live, page, picture_files, rest, tensors
from tests.fuzz.request import Request

ROUND = 1000  # requests that are generated at a time
SHARES = {  # requests per round
    grpc_messages.KIND: 210,
    tensors.KIND: 210,
    rest.KIND: 160,
    rest.KIND_THROUGH_PAGE: 120,
    picture_files.KIND: 60,
    picture_files.KIND_ON_PAGE: 20,
    page.QUESTIONS: 60,
    page.KIND: 60,
    live.KIND: 100,
}


def generate(count: int, seed: int, base_path: Path, component: int) -> Iterator[Request]:
    """Yields the requests of a run, with all kinds mixed.

    Args:
        count: number of requests.
        seed: of the run.
        base_path: base path of the served model.
        component: Gradio's id of the page's live component.
    """
    strategies = {
        grpc_messages.KIND: grpc_messages.message_requests(base_path),
        tensors.KIND: tensors.tensor_requests(),
        rest.KIND: rest.server_requests(),
        rest.KIND_THROUGH_PAGE: rest.page_requests(),
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
            for request in generate_examples(
                strategies[kind], max(1, share * size // ROUND), f"{seed} {start} {kind}"
            )
        ]
        random.Random(f"{seed} {start}").shuffle(requests)
        yield from requests


def generate_examples(strategy: st.SearchStrategy[Request], count: int, seed: str) -> list[Request]:
    """Returns examples of a strategy, from a Hypothesis test that only collects its arguments."""
    examples: list[Request] = []

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
        examples.append(request)

    collect()
    return examples
