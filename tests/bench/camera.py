"""Measures the live camera on MobileNetV2 at 224x224, with everything on this machine.

python -m tests.bench.camera
"""

import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
from playwright.sync_api import WebSocket

from model.exposed.command import export_keras_file
from serving.local import LocalServer
from tests.browser import launch_chromium
from tests.pages import run_page

SECONDS = 10  # duration of the measurement
WARM_UP = 30  # frames before the measurement

COUNT = """(seconds) => new Promise((done) => {
  const xray = document.querySelector(".live");
  let frames = 0;
  let layers = 0;
  xray.addEventListener("answer-shown", ({ detail }) => {
    frames++;
    layers = detail.answer.layers.length;
  });
  setTimeout(() => done([frames / seconds, layers]), 1000 * seconds);
})"""


class Camera(NamedTuple):
    """The cost of a frame and the time until the first one."""

    export_seconds: float
    start_seconds: float  # of the model server
    rate: float  # painted frames per second
    layers: int  # in view
    sent: float  # bytes per frame
    received: float  # bytes per frame


def measure_camera() -> Camera:
    """Exports and serves MobileNetV2 with random weights, and shows the camera on its page."""
    with tempfile.TemporaryDirectory() as name:
        file, base_path = Path(name) / "mobilenet.keras", Path(name) / "mobilenet"
        keras.applications.MobileNetV2(weights=None).save(file)
        started = time.perf_counter()
        if export_keras_file([f"--keras={file}", "--pixels=-1..1"], base_path) != 0:
            raise RuntimeError("The export failed.")
        exported = time.perf_counter()
        with LocalServer(base_path, "mobilenet") as server:
            serving = time.perf_counter()
            with run_page(server.target, "--model=mobilenet") as url:
                measured = _measure_frames(url)
    return Camera(exported - started, serving - exported, *measured)


def _measure_frames(url: str) -> tuple[float, int, float, float]:
    """Returns painted frames per second, layers in view, and bytes sent and received per frame."""
    sent: list[int] = []
    received: list[int] = []

    def listen(socket: WebSocket) -> None:
        socket.on("framesent", lambda frame: sent.append(len(frame)))
        socket.on("framereceived", lambda frame: received.append(len(frame)))

    with launch_chromium() as browser:
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.on("websocket", listen)
        page.goto(url)
        page.locator(".live .winner").wait_for()
        page.locator(".camera").click()
        page.evaluate(
            """(count) => new Promise((done) => {
              const xray = document.querySelector(".live");
              xray.addEventListener("answer-shown", () => --count || done());
            })""",
            WARM_UP,
        )
        sent.clear()
        received.clear()
        rate, layers = page.evaluate(COUNT, SECONDS)
    return rate, layers, float(np.mean(sent)), float(np.mean(received))


def print_camera(camera: Camera) -> None:
    """Prints a Markdown table."""
    print("| the camera on MobileNetV2 at 224x224 | |")
    print("| --- | --- |")
    print(f"| painted frames per second, {camera.layers} layers in view | {camera.rate:.1f} |")
    print(f"| bytes sent per frame | {camera.sent:,.0f} |")
    print(f"| bytes received per frame | {camera.received:,.0f} |")
    print(f"| seconds to export | {camera.export_seconds:.0f} |")
    print(f"| seconds to start the embedded server | {camera.start_seconds:.0f} |")


if __name__ == "__main__":
    print_camera(measure_camera())
