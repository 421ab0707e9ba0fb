"""The latency of one prediction on the live connection, broken down into its parts."""

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
from tests.bench.page_load import make_drawings
from tests.questions import LAYERS, SIDE, VALID_FIELDS, live_address

CALLS = 200
# The page has cached nothing for this visitor, so it responds without calling the model.
UNCACHED_REPAINT = json.dumps({"id": 0, "ask": "repaint", **VALID_FIELDS["repaint"]}).encode()


def measure_latency_breakdown(client: Client, saved_model: Path, page_url: str) -> dict[str, float]:
    """Returns the median milliseconds of each part, in the order a drawing passes through them.

    Args:
        client: client of a server that serves `saved_model`.
        saved_model: folder of the SavedModel.
        page_url: address of a page; only its connection is measured.
    """
    drawings = np.frombuffer(b"".join(make_drawings()[-MAX_BATCH:]), np.uint8)
    drawings = drawings.reshape(-1, SIDE, SIDE, 1)
    graph, network = Servable(saved_model), ExposedNetwork(client)
    inference, *_ = network.infer(drawings, LAYERS)
    layers = [inference.description.layers[index] for index in LAYERS]
    sheet, _ = render_sheet(layers, inference.maps)
    levels = np.asarray(Image.open(io.BytesIO(sheet)))  # [height, width]

    def run_graph(count: int) -> float:
        inputs = {"pictures": drawings[:count], "layers": np.array(LAYERS, np.int32)}
        return _median_ms(lambda: graph.run("preview", inputs)) / count

    def run_served(count: int) -> float:
        return _median_ms(lambda: network.infer(drawings[:count], LAYERS)) / count

    png = _median_ms(lambda: write_png(levels, PALETTES["inferno"]))
    single, batched = run_graph(1), run_graph(MAX_BATCH)
    return {
        "connection and JSON, round trip": asyncio.run(_measure_connection(page_url)),
        "graph": single,
        f"graph, batch of {MAX_BATCH}": batched,
        "gRPC and tensors": run_served(1) - single,
        f"gRPC and tensors, batch of {MAX_BATCH}": run_served(MAX_BATCH) - batched,
        "rendering": _median_ms(lambda: render_sheet(layers, inference.maps)) - png,
        "PNG": png,
    }


def _median_ms(run: Callable[[], object]) -> float:
    times = []
    for _ in range(CALLS):
        started = perf_counter()
        run()
        times.append(1000 * (perf_counter() - started))
    return float(np.median(times))


async def _measure_connection(page_url: str) -> float:
    times = []
    async with connect(live_address(page_url), compression=None) as socket:
        for _ in range(CALLS):
            started = perf_counter()
            await socket.send(UNCACHED_REPAINT)
            await socket.recv()
            times.append(1000 * (perf_counter() - started))
    return float(np.median(times))
