"""Programs that call the API, each in its own way; what each gets is right or a clear error."""

import base64
import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

import gradio_client
import httpx
import numpy as np

from serving.client import Client, ServingError, WrongAnswer
from tests.bench.pens import SIDE
from tests.soak.tally import Tally
from tests.soak.world import LINE, PAGE, SERVER, VISITORS, World

PAUSE = 0.5  # seconds between two calls
TIMEOUT = 75.0  # seconds; the page gives up itself before
GRADIO_TIMEOUT = 30.0
HANGS = 10.0  # seconds that a page may be silent on a connection that has broken
PINNED = 0.3  # of the calls name a version

Call = Callable[[World, Random, Tally], None]


def call_on(call: Call, world: World, tally: Tally, seed: int, stop: threading.Event) -> None:
    """Calls until it is told to stop."""
    chance = Random(seed)
    while not stop.is_set():
        call(world, chance, tally)
        stop.wait(PAUSE * chance.uniform(0.5, 1.5))


def rest_at_the_page(world: World, chance: Random, tally: Tally) -> None:
    _call_rest(world.url.rstrip("/"), (PAGE, VISITORS, LINE, SERVER), world, chance, tally)


def rest_at_the_server(world: World, chance: Random, tally: Tally) -> None:
    _call_rest(f"http://{world.rest_target}", (SERVER,), world, chance, tally)


def _call_rest(
    base: str, fragile: tuple[str, ...], world: World, chance: Random, tally: Tally
) -> None:
    digit = chance.choice(world.truth.sure)
    version = chance.choice(world.originals) if chance.random() < PINNED else None
    of_version = "" if version is None else f"/versions/{version}"
    png = base64.b64encode(world.truth.pngs[digit]).decode()
    body = {"signature_name": "classify", "instances": [{"b64": png}]}
    began = time.monotonic()
    try:
        answer = httpx.post(
            f"{base}/v1/models/mnist{of_version}:predict",
            json=body,
            timeout=TIMEOUT,
            trust_env=False,
        )
    except httpx.HTTPError as error:
        if world.was_away(fragile, began - 1):
            return tally.broken()
        return tally.fail(f"{error!r} after {time.monotonic() - began:.1f} s, and nothing was away")
    try:
        told = answer.json()
    except json.JSONDecodeError:
        return tally.fail(f"{answer.status_code}, no JSON: {answer.text[:300]}")
    if answer.status_code != 200:
        return tally.error(told.get("error"))
    [prediction] = told["predictions"]
    if prediction["classes"] != digit or not world.truth.is_classified(
        version, digit, prediction["probabilities"]
    ):
        return tally.fail(f"a {digit} of version {version}: {prediction}")
    return tally.right()


def grpc_at_the_server(client: Client) -> Call:
    def call(world: World, chance: Random, tally: Tally) -> None:
        digit = chance.choice(world.truth.sure)
        frames = world.truth.frames[digit]
        frame = chance.randrange(len(frames))
        version = chance.choice(world.originals) if chance.random() < PINNED else None
        drawing = np.frombuffer(frames[frame], np.uint8).reshape(1, SIDE, SIDE)
        try:
            answer = client.predict("sketch", {"drawings": drawing}, version=version)
        except WrongAnswer as error:
            return tally.fail(str(error))
        except ServingError as error:
            return tally.error(str(error))
        [probabilities] = answer["probabilities"].tolist()
        is_asked_one = version in (None, answer.version)
        if is_asked_one and world.truth.is_read(answer.version, digit, frame, probabilities):
            return tally.right()
        return tally.fail(f"a {digit} of version {version}: {answer.version} {probabilities}")

    return call


class GradioCaller:
    """Sends a picture through Gradio's own client; a new one when the old one has failed."""

    def __init__(self, folder: Path):
        self._folder = folder
        self._client: gradio_client.Client | None = None

    def __call__(self, world: World, chance: Random, tally: Tally) -> None:
        digit = chance.choice(world.truth.sure)
        picture = self._folder / "drawn.png"
        picture.write_bytes(world.truth.pngs[digit])
        began = time.monotonic()
        try:
            if not self._client:
                self._client = gradio_client.Client(
                    world.url, verbose=False, download_files=False, analytics_enabled=False
                )
            job = self._client.submit(
                gradio_client.handle_file(picture),
                api_name=chance.choice(["/activations", "/classify"]),
            )
            answer = job.result(timeout=GRADIO_TIMEOUT)
        except Exception as error:  # of whatever kind its client raises
            self.close()
            if world.was_away((PAGE, VISITORS), began - 1):
                return tally.broken()
            if isinstance(error, gradio_client.exceptions.AppError):
                return tally.error(str(error))
            if isinstance(error, httpx.HTTPStatusError):
                return tally.error(error.response.text)
            return tally.fail(f"{error!r} after {time.monotonic() - began:.1f} s")
        if answer["best"]["index"] != digit:
            return tally.fail(f"a {digit}: {answer['best']} {answer['scores']}")
        return tally.right()

    def close(self) -> None:
        if self._client:
            self._client.close()
            self._client = None


def metrics_of_the_page(world: World, chance: Random, tally: Tally) -> None:
    began = time.monotonic()
    try:
        answer = httpx.get(f"{world.url}metrics", timeout=TIMEOUT, trust_env=False)
    except httpx.HTTPError as error:
        if world.was_away((PAGE, VISITORS), began - 1):
            return tally.broken()
        return tally.fail(f"{error!r} after {time.monotonic() - began:.1f} s")
    if answer.status_code == 200 and "layer_xray_visitors" in answer.text:
        return tally.right()
    return tally.fail(f"{answer.status_code}: {answer.text[:300]}")
