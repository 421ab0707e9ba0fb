"""Clients of the APIs; every response must be correct or a clear error."""

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
from tests.bench.page_load import SIDE
from tests.soak.outcomes import Outcomes
from tests.soak.system import PAGE, SERVER, SERVER_CONNECTION, VISITOR_CONNECTION, System

PAUSE = 0.5  # seconds between two calls
TIMEOUT = 75.0  # seconds; longer than the page's own
GRADIO_TIMEOUT = 30.0  # seconds
PINNED = 0.3  # fraction of the calls that name a version

Call = Callable[[System, Random, Outcomes], None]


def call_repeatedly(
    call: Call, system: System, outcomes: Outcomes, seed: int, stop: threading.Event
) -> None:
    """Calls until it is stopped."""
    random = Random(seed)
    while not stop.is_set():
        call(system, random, outcomes)
        stop.wait(PAUSE * random.uniform(0.5, 1.5))


def call_page_rest(system: System, random: Random, outcomes: Outcomes) -> None:
    components = (PAGE, VISITOR_CONNECTION, SERVER_CONNECTION, SERVER)
    _call_rest(system.url.rstrip("/"), components, system, random, outcomes)


def call_server_rest(system: System, random: Random, outcomes: Outcomes) -> None:
    _call_rest(f"http://{system.rest_target}", (SERVER,), system, random, outcomes)


def _call_rest(
    base: str, components: tuple[str, ...], system: System, random: Random, outcomes: Outcomes
) -> None:
    """Classifies a PNG; an outage of any of the components excuses a broken connection."""
    digit = random.choice(system.oracle.reliable_digits)
    version = random.choice(system.originals) if random.random() < PINNED else None
    version_path = "" if version is None else f"/versions/{version}"
    png = base64.b64encode(system.oracle.pngs[digit]).decode()
    body = {"signature_name": "classify", "instances": [{"b64": png}]}
    began = time.monotonic()
    try:
        response = httpx.post(
            f"{base}/v1/models/mnist{version_path}:predict",
            json=body,
            timeout=TIMEOUT,
            trust_env=False,
        )
    except httpx.HTTPError as error:
        if system.had_outage(components, began - 1):
            return outcomes.disconnected()
        return outcomes.fail(f"{error!r} after {time.monotonic() - began:.1f} s without a fault")
    try:
        content = response.json()
    except json.JSONDecodeError:
        return outcomes.fail(f"{response.status_code}, not JSON: {response.text[:300]}")
    if response.status_code != 200:
        return outcomes.error(content.get("error"))
    [prediction] = content["predictions"]
    if prediction["classes"] != digit or not system.oracle.matches_png(
        version, digit, prediction["probabilities"]
    ):
        return outcomes.fail(f"a {digit}, version {version}: {prediction}")
    return outcomes.correct()


def make_grpc_call(client: Client) -> Call:
    """Returns a call of the model server through `client`."""

    def call(system: System, random: Random, outcomes: Outcomes) -> None:
        digit = random.choice(system.oracle.reliable_digits)
        frames = system.oracle.frames[digit]
        frame = random.randrange(len(frames))
        version = random.choice(system.originals) if random.random() < PINNED else None
        drawing = np.frombuffer(frames[frame], np.uint8).reshape(1, SIDE, SIDE)
        try:
            outputs = client.predict("sketch", {"drawings": drawing}, version=version)
        except WrongAnswer as error:
            return outcomes.fail(str(error))
        except ServingError as error:
            return outcomes.error(str(error))
        [probabilities] = outputs["probabilities"].tolist()
        is_requested_version = version in (None, outputs.version)
        if is_requested_version and system.oracle.matches_drawing(
            outputs.version, digit, frame, probabilities
        ):
            return outcomes.correct()
        return outcomes.fail(
            f"a {digit}, version {version}: version {outputs.version}, {probabilities}"
        )

    return call


class GradioCaller:
    """Sends a PNG with Gradio's own client, which is replaced after a failure."""

    def __init__(self, folder: Path):
        self._folder = folder
        self._client: gradio_client.Client | None = None

    def __call__(self, system: System, random: Random, outcomes: Outcomes) -> None:
        digit = random.choice(system.oracle.reliable_digits)
        file = self._folder / "drawing.png"
        file.write_bytes(system.oracle.pngs[digit])
        began = time.monotonic()
        try:
            if not self._client:
                self._client = gradio_client.Client(
                    system.url, verbose=False, download_files=False, analytics_enabled=False
                )
            job = self._client.submit(
                gradio_client.handle_file(file),
                api_name=random.choice(["/activations", "/classify"]),
            )
            prediction = job.result(timeout=GRADIO_TIMEOUT)
        except Exception as error:  # gradio_client documents none
            self.close()
            if system.had_outage((PAGE, VISITOR_CONNECTION), began - 1):
                return outcomes.disconnected()
            if isinstance(error, gradio_client.exceptions.AppError):
                return outcomes.error(str(error))
            if isinstance(error, httpx.HTTPStatusError):
                return outcomes.error(error.response.text)
            return outcomes.fail(f"{error!r} after {time.monotonic() - began:.1f} s")
        if prediction["best"]["index"] != digit:
            return outcomes.fail(f"a {digit}: {prediction['best']} {prediction['scores']}")
        return outcomes.correct()

    def close(self) -> None:
        if self._client:
            self._client.close()
            self._client = None


def get_page_metrics(system: System, random: Random, outcomes: Outcomes) -> None:
    began = time.monotonic()
    try:
        response = httpx.get(f"{system.url}metrics", timeout=TIMEOUT, trust_env=False)
    except httpx.HTTPError as error:
        if system.had_outage((PAGE, VISITOR_CONNECTION), began - 1):
            return outcomes.disconnected()
        return outcomes.fail(f"{error!r} after {time.monotonic() - began:.1f} s")
    if response.status_code == 200 and "layer_xray_visitors" in response.text:
        return outcomes.correct()
    return outcomes.fail(f"{response.status_code}: {response.text[:300]}")
