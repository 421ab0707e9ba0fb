"""What a visitor's browser asks the page's server: right questions, to be sent and to be spoiled.

Without an import from demo/, which would bring TensorFlow into a generator of load.
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
LAYERS = [0, 1, 2, 3, 4, 5]  # what the network sees, and all that have a gallery
UNIT = {"model": None, "shown": "B", "layer": 1, "map": 3, "row": 1, "column": 1}
PICTURE = {"model": None, "version": None}
RIGHT = {  # of each question, what it has beside its name, and perhaps a drawing
    "describe": PICTURE,
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
OF_DRAWINGS = ("predict", "keep", "explain", "download")


def live_address(page_url: str) -> str:
    """Where a page has its live connections."""
    return page_url.replace("http", "ws", 1).rstrip("/") + LIVE_PATH


def find_component(page_url: str) -> int:
    """Gradio's number of the live component, whose function answers without such a connection."""
    with urllib.request.urlopen(f"{page_url.rstrip('/')}/config", timeout=10) as response:
        components = json.load(response)["components"]
    return next(each["id"] for each in components if "server_fns" in each["props"])


def as_call(component: int, visitor: str, data: object) -> bytes:
    """The body of a question to `GRADIO_PATH`."""
    call = {"component_id": component, "fn_name": "ask", "session_hash": visitor, "data": data}
    return json.dumps(call).encode()
