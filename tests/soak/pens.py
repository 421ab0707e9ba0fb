"""Visitors who draw, and whose browser does what demo/xray/scripts/server.js and loop.js do."""

import base64
import contextlib
import json
import threading
import time
import urllib.request
from random import Random

from websockets.exceptions import WebSocketException
from websockets.sync.client import ClientConnection, connect

from tests.questions import GRADIO_PATH, RIGHT, as_call, find_component, live_address
from tests.soak.faults import Faults
from tests.soak.tally import Tally
from tests.soak.world import World

OPEN, PATIENCE = 2.0, 5.0  # seconds, as in server.js
RECONNECT, MAX_RECONNECT = 1.0, 60.0
RETRY, MAX_RETRY, MAX_BUSY = 0.4, 1.6, 6.4  # as in loop.js
FRAME = 0.03  # seconds; a digit takes about one
LIMIT = 20.0  # seconds after the end of a fault, or of the drawing, until the drawing is read
PINNED = 0.2  # of the digits are read by a version that the visitor has chosen
LOST = {"error": "The page has lost its server. Your drawing is kept; it goes on trying."}


class Pen:
    """One visitor. Draws digits in its own thread (`draw_on`) until it is told to stop."""

    def __init__(self, world: World, faults: Faults, tally: Tally, seed: int):
        self._world, self._faults, self._tally = world, faults, tally
        self._chance = Random(seed)
        self._visitor = f"pen-{seed}"
        self._component = find_component(world.url)
        self._line: ClientConnection | None = None
        self._has_answered = False  # the line
        self._failures, self._try_at, self._last_id = 0, 0.0, 0
        self._versions: list[int] = []
        self.readings: list[tuple[float, float]] = []  # when a digit was drawn, when it was read

    def draw_on(self, stop: threading.Event) -> None:
        while not stop.is_set():
            self._draw(self._chance.choice(self._world.truth.sure), stop)
            stop.wait(self._chance.uniform(0, 1))
        self._close()

    def _draw(self, digit: int, stop: threading.Event) -> None:
        """Draws a digit, and asks until its last frame is read."""
        frames = self._world.truth.frames[digit]
        is_pinned = bool(self._versions) and self._chance.random() < PINNED
        version = self._chance.choice(self._versions) if is_pinned else None
        began, last = time.monotonic(), len(frames) - 1
        drawn = began + FRAME * last
        failures, sent = 0, -1
        is_late = False
        while sent < last:
            if stop.is_set():
                return
            frame = min(last, int((time.monotonic() - began) / FRAME))
            if frame == sent:
                time.sleep(FRAME / 4)
                continue
            answer = self._ask(version, frames[frame])
            if "error" not in answer:
                failures, sent = 0, frame
                self._check(answer, version, digit, frame)
            else:
                self._tally.error(answer["error"])
                if answer.get("final"):
                    self._tally.fail(f"a drawing is refused for good: {answer['error']}")
                longest = MAX_BUSY if answer.get("busy") else MAX_RETRY
                time.sleep(self._back_off(failures, RETRY, longest))
                failures += 1
            since = self._faults.calm_since
            is_overdue = since is not None and time.monotonic() > max(since, drawn) + LIMIT
            if is_overdue and sent < last and not is_late:
                is_late = True
                self._world.note(
                    f"A drawing of a {digit} was not read within {LIMIT:.0f} s of the end of the "
                    f"faults. The last answer: {answer}"
                )
        self.readings.append((drawn, time.monotonic()))

    def _check(self, answer: dict, version: int | None, digit: int, frame: int) -> None:
        reading = [score["value"] for score in answer.get("scores", [])]
        read_by = answer.get("version")
        self._versions = answer.get("versions") or []
        told = {name: value for name, value in answer.items() if name != "sheet"}
        if not answer.get("sheet", b"").startswith(b"\x89PNG"):
            self._tally.fail(f"no picture: {told}")
        elif version not in (None, read_by, answer.get("unavailable_version")):
            self._tally.fail(f"asked for version {version}: {told}")
        elif not self._world.truth.is_read(read_by, digit, frame, reading):
            self._tally.fail(f"frame {frame} of a {digit} is misread: {told}")
        elif answer["best"]["index"] != max(range(10), key=reading.__getitem__):
            self._tally.fail(f"the best digit is not the likeliest: {told}")
        else:
            self._tally.right()

    def _ask(self, version: int | None, pixels: bytes) -> dict:
        question = {"ask": "predict", **RIGHT["predict"], "version": version}
        self._connect()
        answer = None
        if self._line:
            answer = self._ask_over_line(question, pixels)
            if answer is None and self._has_answered:
                self._close()
                return LOST
            if answer is None:
                self._close()
        return answer or self._ask_through_gradio(question, pixels) or LOST

    def _connect(self) -> None:
        if self._line or time.monotonic() < self._try_at:
            return
        address = live_address(self._world.url)
        options = {"compression": None, "ping_interval": None, "close_timeout": 1, "proxy": None}
        try:
            self._line = connect(address, open_timeout=OPEN, **options)
            self._has_answered = False
        except (OSError, WebSocketException):
            self._put_off()

    def _close(self) -> None:
        if self._line:
            if not self._has_answered:
                self._put_off()
            self._line.close()
            self._line = None

    def _put_off(self) -> None:
        pause = self._back_off(self._failures, RECONNECT, MAX_RECONNECT)
        self._try_at = time.monotonic() + pause
        self._failures += 1

    def _back_off(self, failures: int, first: float, longest: float) -> float:
        return min(first * 2**failures, longest) * self._chance.uniform(0.5, 1)

    def _ask_over_line(self, question: dict, pixels: bytes) -> dict | None:
        self._last_id += 1
        head = json.dumps({"id": self._last_id, **question}).encode()
        end = time.monotonic() + PATIENCE
        try:
            self._line.send(head + b"\n" + pixels)
            while True:
                message = self._line.recv(timeout=max(0, end - time.monotonic()))
                told, _, sheet = message.partition(b"\n")
                answer = json.loads(told)
                self._has_answered, self._failures = True, 0
                if answer.get("id") == self._last_id:
                    return {**answer, "sheet": sheet} if sheet else answer
        except (OSError, WebSocketException):
            return None

    def _ask_through_gradio(self, question: dict, pixels: bytes) -> dict | None:
        content = base64.b64encode(pixels).decode()
        data = {"visitor": self._visitor, **question, "content": content}
        request = urllib.request.Request(
            self._world.url.rstrip("/") + GRADIO_PATH,
            as_call(self._component, self._visitor, data),
            {"Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as response:
                answer = json.load(response)
        except (OSError, ValueError):
            return None
        with contextlib.suppress(KeyError):
            answer["sheet"] = base64.b64decode(answer["sheet"].partition(",")[2])
        return answer
