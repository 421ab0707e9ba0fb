"""What one answer on the live connection costs, part by part, with nothing else going on."""

import asyncio
import io
import json
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

import numpy as np
from PIL import Image
from websockets.asyncio.client import connect

from demo.batcher import MAX_BATCH
from demo.network import ExposedNetwork
from demo.render import PALETTES, render_sheet, write_png
from serving.client import Client
from serving.embedded.servable import Servable
from tests.bench.pens import drawings
from tests.questions import LAYERS, RIGHT, SIDE, live_address

CALLS = 200
# The page has read nothing of the visitor who asks this, and says so at once.
NOTHING_KEPT = json.dumps({"id": 0, "ask": "repaint", **RIGHT["repaint"]}).encode()


def measure_answer(client: Client, saved_model: Path, page_url: str) -> dict[str, float]:
    """Milliseconds by part, in the order in which a drawing passes through them.

    Args:
        client: of a server of the model in `saved_model`.
        page_url: of a page, whose connection alone is measured.
    """
    ink = np.frombuffer(b"".join(drawings()[-MAX_BATCH:]), np.uint8)
    ink = ink.reshape(-1, SIDE, SIDE, 1)
    graph, network = Servable(saved_model), ExposedNetwork(client)
    seen, *_ = network.infer(ink, LAYERS)
    layers = [seen.description.layers[index] for index in LAYERS]
    sheet, _ = render_sheet(layers, seen.maps)
    levels = np.asarray(Image.open(io.BytesIO(sheet)))  # [height, width]

    def run(count: int) -> float:
        inputs = {"pictures": ink[:count], "layers": np.array(LAYERS, np.int32)}
        return _median(lambda: graph.run("preview", inputs)) / count

    def look(count: int) -> float:
        return _median(lambda: network.infer(ink[:count], LAYERS)) / count

    writing = _median(lambda: write_png(levels, PALETTES["inferno"]))
    computing, together = run(1), run(MAX_BATCH)
    return {
        "connection and JSON, there and back": asyncio.run(_connection(page_url)),
        "the graph": computing,
        f"the graph, {MAX_BATCH} together": together,
        "gRPC and tensors": look(1) - computing,
        f"gRPC and tensors, {MAX_BATCH} together": look(MAX_BATCH) - together,
        "painting": _median(lambda: render_sheet(layers, seen.maps)) - writing,
        "PNG": writing,
    }


def _median(run: Callable[[], object]) -> float:
    times = []
    for _ in range(CALLS):
        started = perf_counter()
        run()
        times.append(1000 * (perf_counter() - started))
    return float(np.median(times))


async def _connection(page_url: str) -> float:
    times = []
    async with connect(live_address(page_url), compression=None) as socket:
        for _ in range(CALLS):
            started = perf_counter()
            await socket.send(NOTHING_KEPT)
            await socket.recv()
            times.append(1000 * (perf_counter() - started))
    return float(np.median(times))
