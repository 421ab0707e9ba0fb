"""Simulated visitors who draw; they retry like demo/xray/scripts/server.js and loop.js."""

import base64
import contextlib
import json
import threading
import time
import urllib.request
from random import Random

from websockets.exceptions import WebSocketException
from websockets.sync.client import ClientConnection, connect

from tests.questions import GRADIO_PATH, VALID_FIELDS, as_call, find_component, live_address
from tests.soak.faults import FaultInjector
from tests.soak.outcomes import Outcomes
from tests.soak.system import System

OPEN_TIMEOUT, TIMEOUT = 2.0, 5.0  # seconds, the same as in server.js
RECONNECT, MAX_RECONNECT = 1.0, 60.0  # seconds, likewise
RETRY, MAX_RETRY, MAX_BUSY = 0.4, 1.6, 6.4  # seconds, the same as in loop.js
FRAME_SECONDS = 0.03  # a digit takes about a second
MAX_RECOVERY = 20.0  # seconds from the end of the faults, or of the drawing, to its prediction
PINNED = 0.2  # fraction of the digits that are predicted by a version the visitor has chosen
NO_RESPONSE = {"error": "The connection to the page is lost; the visitor retries."}


class Visitor:
    """Draws digits in its own thread (`run`) until it is stopped."""

    def __init__(self, system: System, faults: FaultInjector, outcomes: Outcomes, seed: int):
        self._system, self._faults, self._outcomes = system, faults, outcomes
        self._random = Random(seed)
        self._name = f"visitor-{seed}"
        self._component = find_component(system.url)
        self._connection: ClientConnection | None = None
        self._has_answered = False  # this connection
        self._failures, self._reconnect_at, self._last_id = 0, 0.0, 0
        self._versions: list[int] = []
        self.predictions: list[tuple[float, float]] = []  # times: drawn, predicted

    def run(self, stop: threading.Event) -> None:
        while not stop.is_set():
            self._draw(self._random.choice(self._system.oracle.reliable_digits), stop)
            stop.wait(self._random.uniform(0, 1))
        self._close()

    def _draw(self, digit: int, stop: threading.Event) -> None:
        """Draws a digit and retries until its last frame is predicted."""
        frames = self._system.oracle.frames[digit]
        is_pinned = bool(self._versions) and self._random.random() < PINNED
        version = self._random.choice(self._versions) if is_pinned else None
        began, last = time.monotonic(), len(frames) - 1
        drawn = began + FRAME_SECONDS * last
        failures, predicted = 0, -1  # predicted: the newest frame
        is_reported = False
        while predicted < last:
            if stop.is_set():
                return
            frame = min(last, int((time.monotonic() - began) / FRAME_SECONDS))
            if frame == predicted:
                time.sleep(FRAME_SECONDS / 4)
                continue
            response = self._predict(version, frames[frame])
            if "error" not in response:
                failures, predicted = 0, frame
                self._check(response, version, digit, frame)
            else:
                self._outcomes.error(response["error"])
                if response.get("final"):
                    self._outcomes.fail(f"a drawing was refused for good: {response['error']}")
                maximum = MAX_BUSY if response.get("busy") else MAX_RETRY
                time.sleep(self._back_off(failures, RETRY, maximum))
                failures += 1
            since = self._faults.healthy_since
            is_overdue = since is not None and time.monotonic() > max(since, drawn) + MAX_RECOVERY
            if is_overdue and predicted < last and not is_reported:
                is_reported = True
                self._system.report(
                    f"A drawing of a {digit} was not predicted within {MAX_RECOVERY:.0f} s of the "
                    f"end of the faults. The last response: {response}"
                )
        self.predictions.append((drawn, time.monotonic()))

    def _check(self, response: dict, version: int | None, digit: int, frame: int) -> None:
        probabilities = [score["value"] for score in response.get("scores", [])]
        predicted_by = response.get("version")
        self._versions = response.get("versions") or []
        fields = {name: value for name, value in response.items() if name != "sheet"}
        if not response.get("sheet", b"").startswith(b"\x89PNG"):
            self._outcomes.fail(f"no PNG: {fields}")
        elif version not in (None, predicted_by, response.get("unavailable_version")):
            self._outcomes.fail(f"version {version} was requested: {fields}")
        elif not self._system.oracle.matches_drawing(predicted_by, digit, frame, probabilities):
            self._outcomes.fail(f"wrong prediction of frame {frame} of a {digit}: {fields}")
        elif response["best"]["index"] != max(range(10), key=probabilities.__getitem__):
            self._outcomes.fail(f"the best digit is not the most probable one: {fields}")
        else:
            self._outcomes.correct()

    def _predict(self, version: int | None, pixels: bytes) -> dict:
        question = {"ask": "predict", **VALID_FIELDS["predict"], "version": version}
        self._connect()
        response = None
        if self._connection:
            response = self._ask_live(question, pixels)
            if response is None and self._has_answered:
                self._close()
                return NO_RESPONSE
            if response is None:
                self._close()
        return response or self._ask_through_gradio(question, pixels) or NO_RESPONSE

    def _connect(self) -> None:
        if self._connection or time.monotonic() < self._reconnect_at:
            return
        address = live_address(self._system.url)
        options = {"compression": None, "ping_interval": None, "close_timeout": 1, "proxy": None}
        try:
            self._connection = connect(address, open_timeout=OPEN_TIMEOUT, **options)
            self._has_answered = False
        except (OSError, WebSocketException):
            self._delay_reconnect()

    def _close(self) -> None:
        if self._connection:
            if not self._has_answered:
                self._delay_reconnect()
            self._connection.close()
            self._connection = None

    def _delay_reconnect(self) -> None:
        delay = self._back_off(self._failures, RECONNECT, MAX_RECONNECT)
        self._reconnect_at = time.monotonic() + delay
        self._failures += 1

    def _back_off(self, failures: int, first: float, maximum: float) -> float:
        return min(first * 2**failures, maximum) * self._random.uniform(0.5, 1)

    def _ask_live(self, question: dict, pixels: bytes) -> dict | None:
        self._last_id += 1
        head = json.dumps({"id": self._last_id, **question}).encode()
        end = time.monotonic() + TIMEOUT
        try:
            self._connection.send(head + b"\n" + pixels)
            while True:
                message = self._connection.recv(timeout=max(0, end - time.monotonic()))
                head, _, sheet = message.partition(b"\n")
                response = json.loads(head)
                self._has_answered, self._failures = True, 0
                if response.get("id") == self._last_id:
                    return {**response, "sheet": sheet} if sheet else response
        except (OSError, WebSocketException):
            return None

    def _ask_through_gradio(self, question: dict, pixels: bytes) -> dict | None:
        content = base64.b64encode(pixels).decode()
        data = {"visitor": self._name, **question, "content": content}
        request = urllib.request.Request(
            self._system.url.rstrip("/") + GRADIO_PATH,
            as_call(self._component, self._name, data),
            {"Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT) as http_response:
                response = json.load(http_response)
        except (OSError, ValueError):
            return None
        with contextlib.suppress(KeyError):
            response["sheet"] = base64.b64decode(response["sheet"].partition(",")[2])
        return response
