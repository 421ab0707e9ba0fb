"""The Gradio component with the input, the scores and the galleries.

Python computes and renders the layers. The browser's modules in `scripts` draw the pen and show the
rendered pictures.
"""

import base64
import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import gradio as gr
import orjson
from starlette.responses import Response

from demo.answers import Answer
from demo.colours import COLOURS, SIGNED, SIGNED_ENDS, ZERO, gradient
from demo.live import PATH as LIVE_PATH
from demo.prediction import ApiPrediction
from demo.question import Question
from demo.render import as_url
from demo.scripts import PATH as SCRIPTS_PATH
from demo.translations import translations_of

OUTDATED = "The page was updated on the server, or the server cannot be reached. Reload the page."
MAX_ID_LENGTH = 64  # characters of the visitor ID that a browser chooses
_FOLDER = Path(__file__).parent


class Xray(gr.HTML):
    """Shows the layers of a network for a picture.

    Args:
        answer: answers the questions of the browser (`demo.answers`). With it the component is live
            and has a pad or a camera. Without it the component has no input, and shows its value:
            an `ApiPrediction`, set by a Gradio event.
    """

    def __init__(self, answer: Callable[[Question], Awaitable[Answer]] | None = None, **kwargs):
        super().__init__(
            html_template=_read("template.html"),
            css_template=_read("style.css"),
            js_on_load=_read("load.js"),
            apply_default_css=False,
            server_functions=[_through_gradio(answer)] if answer else [],
            scripts=SCRIPTS_PATH,
            live=LIVE_PATH if answer else None,
            colours={name: gradient(table) for name, table in COLOURS.items()},
            signed={"ends": SIGNED_ENDS, "gradient": gradient(SIGNED, 2 * ZERO)},
            outdated=translations_of(OUTDATED),  # shown if the modules cannot be loaded
            lessons=json.loads(_read("lessons.json")),
            tour=json.loads(_read("tour.json")),
            **kwargs,
        )

    def postprocess(self, value: ApiPrediction | None) -> ApiPrediction | None:
        return value

    def api_info(self) -> dict:
        return {
            "type": "object",
            "description": "best (the class with the highest score: index, label, value; null for "
            "a blank page), sure (whether the network is confident), scores (of all classes, or of "
            "the best ten), sheet (a PNG as a data URL: the network's input and all layers, one "
            "below the other), layers (their indices), network (the layout of the sheet) and "
            "largest (the maximum absolute activation of each layer)",
        }


def _through_gradio(answer: Callable[[Question], Awaitable[Answer]]) -> Callable:
    """Returns a Gradio server function that answers questions without a live connection."""

    async def ask(question: object = None) -> Response:
        fields = question if isinstance(question, dict) else {}
        try:
            content = base64.b64decode(fields.get("content", ""), validate=True)
        except (TypeError, ValueError):
            content = b""
        visitor = str(fields.get("visitor"))[:MAX_ID_LENGTH]
        response = await answer(Question(visitor, fields, content))
        if "sheet" in response:
            response["sheet"] = as_url(response["sheet"])
        # The header stops Gradio's compression, which cannot make a PNG smaller.
        headers = {"Content-Encoding": "identity"}
        return Response(orjson.dumps(response), media_type="application/json", headers=headers)

    return ask


def _read(name: str) -> str:
    return (_FOLDER / name).read_text()
