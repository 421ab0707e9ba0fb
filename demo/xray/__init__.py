"""The live component: input, scores and galleries in one, fed while the pen or a camera moves.

Python renders, the browser draws the pen and swaps pictures: the modules in `scripts` compute
nothing of the network.
"""

import base64
import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import gradio as gr
import orjson
from starlette.responses import Response

from demo.answers import MAX_NAME_LENGTH, Answer, Question
from demo.colours import COLOURS, SIGNED_ENDS
from demo.live import PATH as LIVE_PATH
from demo.prediction import ApiPrediction
from demo.render import as_url
from demo.scripts import PATH as SCRIPTS_PATH

_FOLDER = Path(__file__).parent


class Xray(gr.HTML):
    """Shows what a network makes of a picture.

    Args:
        answer: answers what a visitor's browser asks (`demo.answers`); makes the component live,
            with a pad to draw on or a camera. Without it there is none, and it shows the
            `ApiPrediction` of `demo.prediction` that an event sets as its value.
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
            colours=list(COLOURS),
            signed=SIGNED_ENDS,
            lessons=json.loads(_read("lessons.json")),
            tour=json.loads(_read("tour.json")),
            **kwargs,
        )

    def postprocess(self, value: ApiPrediction | None) -> ApiPrediction | None:
        return value

    def api_info(self) -> dict:
        return {
            "type": "object",
            "description": "best (the likeliest class: index, label, value; null on a blank "
            "page), sure (false for what is perhaps none of the classes), scores (of all classes, "
            "or of the best of many), sheet (a PNG as a data URL: what the network sees and all "
            "layers, one under the other), network (how to find each layer on it) and largest (by "
            "layer, its largest activation, which the brightest colour stands for)",
        }


def _through_gradio(answer: Callable[[Question], Awaitable[Answer]]) -> Callable:
    """The way of a question where no live connection can be had: as a call of Gradio's."""

    async def ask(asked: object = None) -> Response:
        fields = asked if isinstance(asked, dict) else {}
        try:
            content = base64.b64decode(fields.get("content", ""), validate=True)
        except (TypeError, ValueError):
            content = b""
        visitor = str(fields.get("visitor"))[:MAX_NAME_LENGTH]
        answered = await answer(Question(visitor, fields, content))
        if "sheet" in answered:
            answered["sheet"] = as_url(answered["sheet"])
        # Gradio passes a response on as it is; PNGs gain nothing from being compressed again.
        headers = {"Content-Encoding": "identity"}
        return Response(orjson.dumps(answered), media_type="application/json", headers=headers)

    return ask


def _read(name: str) -> str:
    return (_FOLDER / name).read_text()
