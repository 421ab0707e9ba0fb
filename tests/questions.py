"""Valid questions of a visitor's browser, to be sent as they are or malformed.

Imports nothing from demo/, so that load generators start without TensorFlow.
"""

import json
import urllib.request

SIDE = 112
LIVE_PATH = "/xray/live"
GRADIO_PATH = "/gradio_api/component_server/"
INK = bytes(50 * SIDE) + b"\xff" * 12 * SIDE + bytes(50 * SIDE)
STYLE = {
    "colours": "inferno",
    "scale": "layer",
    "curve": "root",
    "shown": "B",
    "held": None,
}
LAYERS = [0, 1, 2, 3, 4, 5]  # the network's input, and all layers with a gallery
UNIT = {"model": None, "shown": "B", "layer": 1, "map": 3, "row": 1, "column": 1}
PICTURE = {"model": None, "version": None}
VALID_FIELDS = {  # the fields of each question in addition to `ask`
    "describe": PICTURE,
    "history": {"model": None},
    "predict": {**PICTURE, "style": STYLE, "layers": LAYERS},
    "keep": {**PICTURE, "layers": LAYERS},
    "explain": {**PICTURE, "label": None},
    "download": {**PICTURE, "what": "curl", "page": "http://127.0.0.1/"},
    "repaint": {"model": None, "style": STYLE, "layers": LAYERS},
    "inspect_unit": UNIT,
    "decompose_unit": UNIT,
    "show_map": {**UNIT, "style": STYLE},
    "map_features": UNIT,
}
WITH_DRAWING = ("predict", "keep", "explain", "download")  # questions that have a drawing


def live_address(page_url: str) -> str:
    """Returns the address of a page's live connections."""
    return page_url.replace("http", "ws", 1).rstrip("/") + LIVE_PATH


def find_component(page_url: str) -> int:
    """Returns Gradio's ID of the live component, whose function answers questions over HTTP."""
    with urllib.request.urlopen(f"{page_url.rstrip('/')}/config", timeout=10) as response:
        components = json.load(response)["components"]
    return next(c["id"] for c in components if "server_fns" in c["props"])


def as_call(component: int, visitor: str, data: object) -> bytes:
    """Returns the body of a question to `GRADIO_PATH`."""
    call = {"component_id": component, "fn_name": "ask", "session_hash": visitor, "data": data}
    return json.dumps(call).encode()
