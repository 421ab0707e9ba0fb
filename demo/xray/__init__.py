"""The live component: pad, scores and galleries in one, fed while the pen moves.

Python renders, the browser draws the pen and swaps pictures: the JavaScript beside this file
computes nothing of the network.
"""

import base64
import functools
import json
import logging
from collections.abc import Callable, Mapping
from pathlib import Path

import gradio as gr
import numpy as np
import orjson
from starlette.responses import Response

from demo.anatomy import Anatomy
from demo.colours import COLOURS, SIGNED_ENDS
from demo.errors import Forgotten, RequestError
from demo.kept import Kept
from demo.layers import GALLERIES, GAP, IMAGE, Layer
from demo.likes import Likes
from demo.look import Answer, reading_of, show
from demo.render import Style, check_style, render_contributions
from demo.takes import Take
from demo.versions import ServedVersions
from serving.client import (
    ModelNotLoaded,
    Prediction,
    ServerBusy,
    ServerUnreachable,
    ServingError,
)

SIDE = 112  # pixels of the drawing that is sent: four for each of MNIST's
LONGEST_NAME = 64  # characters of what a visitor's browser calls itself
AWAY = (
    "The model server does not answer. Your drawing is kept, and the page goes on by itself as "
    "soon as the server is back."
)
BUSY = "The model server is busy. Your drawing is kept, and is read as soon as there is room."
FAILED = "The page itself has failed at this; its log on the server says at what. Draw on."
_log = logging.getLogger(__name__)
_FOLDER = Path(__file__).parent
_SCRIPTS = (
    *("strokes.js", "pad.js", "live.js", "scores.js", "maps.js", "galleries.js", "lens.js"),
    *("zoom.js", "anatomy.js", "why.js", "compare.js", "history.js", "link.js", "take.js"),
    *("colours.js", "lessons.js", "tour.js", "main.js"),
)


class Xray(gr.HTML):
    """Shows what the network makes of a drawing.

    Args:
        ask: answers with the activations of a drawing, uint8 [H, W], in a version, the newest if
            None (`demo.look.ask`); makes the component live, with a pad to draw on. Without it
            there is no pad, and it shows the `Answer` that an event sets as its value.
        explain: answers with what speaks for a digit, of a drawing, in a version
            (`demo.look.explain`).
        dissect: takes a unit of an answer apart (`demo.anatomy.dissect`).
        likes: tells what drives a map of a version most (`demo.likes.tell_likes`).
        versions: that can be chosen.
        takes: what can be taken along of a drawing, by name; see `demo.takes`.
    """

    def __init__(
        self,
        ask: Callable[[np.ndarray, int | None], Prediction] | None = None,
        explain: Callable[[np.ndarray, int | None, int | None], Prediction] | None = None,
        dissect: Callable[..., Anatomy] | None = None,
        likes: Callable[[int, str, int], Likes] | None = None,
        versions: ServedVersions | None = None,
        takes: Mapping[str, Take] | None = None,
        **kwargs,
    ):
        kept = Kept()

        def read(drawing: np.ndarray, version: int | None) -> tuple[Prediction, dict[str, int]]:
            """The activations, by the newest version, which is then told, if theirs is gone."""
            try:
                return ask(drawing, version), {}
            except ModelNotLoaded:
                if version is None:
                    raise
                versions.forget()
                return ask(drawing, None), {"gone": version}

        def show_kept(visitor: str, style: Style) -> Mapping:
            of, answer = style.get("shown", "B"), kept.get(visitor)
            return {
                **show(answer, style, kept.get(visitor, of)),
                "version": answer.version,
                "versions": versions.now(answer.version),
                # Whose arithmetic, and whose maps' likes, are told.
                "shown_version": kept.get(visitor, "A" if of == "A" else "B").version,
            }

        def look_at(asked: object) -> Mapping:
            drawing, version = _drawing_in(asked)
            visitor, style = _visitor_in(asked), check_style(_field(asked, "style"))
            activations, gone = read(drawing, version)
            kept.put(visitor, activations)
            try:
                return {**show_kept(visitor, style), **gone}
            except Forgotten:
                return {"lost": True}  # the drawing that it is compared with

        def keep(asked: object) -> Mapping:
            """Keeps a drawing as the one that others are compared with."""
            activations, _ = read(*_drawing_in(asked))
            kept.put(_visitor_in(asked), activations, "A")
            return reading_of(activations)

        def tell_why(asked: object) -> Mapping:
            drawing, version = _drawing_in(asked)
            digit = _field(asked, "digit")
            if digit is not None and not (type(digit) is int and 0 <= digit <= 9):
                raise RequestError("the digit must be 0 to 9, or null for the one that is read")
            told = explain(drawing, digit, version)
            return {
                "digit": int(told["digits"]),
                "picture": render_contributions(told["contributions"]),
                "field": (told["fields"] / SIDE).tolist(),
            }

        def take(asked: object) -> Mapping:
            drawing, version = _drawing_in(asked)
            what = _field(asked, "what")
            if what not in list(takes):
                raise RequestError(f"what can be taken along is {', '.join(takes)}")
            return {"taken": takes[what](drawing, version, str(_field(asked, "page")))}

        # What follows is of the visitor's last drawing and costs no prediction.

        def repaint(asked: object) -> Mapping:
            return show_kept(_visitor_in(asked), check_style(_field(asked, "style")))

        def tell_unit(asked: object) -> Mapping:
            place = {name: _field(asked, name) for name in ("layer", "map", "row", "column")}
            return kept.unit(_visitor_in(asked), _shown_in(asked), **place)

        def take_apart(asked: object) -> Mapping:
            place = {name: _field(asked, name) for name in ("layer", "map", "row", "column")}
            return dissect(one_of(asked), **place)

        def tell_likes(asked: object) -> Mapping:
            return likes(one_of(asked).version, _field(asked, "layer"), _field(asked, "map"))

        def one_of(asked: object) -> Prediction:
            """The drawing that is shown, B of two that are compared."""
            return kept.get(_visitor_in(asked), "A" if _shown_in(asked) == "A" else "B")

        functions = [look_at, keep, tell_why, take]
        functions += [repaint, tell_unit, take_apart, tell_likes]
        super().__init__(
            html_template=_read("template.html"),
            css_template=_read("style.css"),
            js_on_load="\n".join(_read(script) for script in _SCRIPTS),
            apply_default_css=False,
            server_functions=[_answering(function) for function in functions] if ask else [],
            live=ask is not None,
            side=SIDE,
            gap=GAP,
            image=_as_prop(IMAGE),
            layers=[_as_prop(layer) for layer in GALLERIES],
            colours=list(COLOURS),
            signed=SIGNED_ENDS,
            samples=json.loads(_read("samples.json")),
            lessons=json.loads(_read("lessons.json")),
            tour=json.loads(_read("tour.json")),
            **kwargs,
        )

    def postprocess(self, value: Answer | None) -> Answer | None:
        return value

    def api_info(self) -> dict:
        return {
            "type": "object",
            "description": "digit (null without ink), sure (false for what is perhaps no "
            "digit), probabilities of 0 to 9, sheet (a PNG as a data URL: the 28x28 image that "
            "the network sees and all layers, one under the other) "
            "and largest (by layer, its largest activation, which the brightest colour stands for)",
        }


def _field(asked: object, name: str) -> object:
    """A field of the JSON object that a browser has sent."""
    if not isinstance(asked, dict) or name not in asked:
        raise RequestError(f"{name} is missing")
    return asked[name]


def _visitor_in(asked: object) -> str:
    return str(_field(asked, "visitor"))[:LONGEST_NAME]


def _shown_in(asked: object) -> str:
    return check_style({"shown": _field(asked, "shown")})["shown"]


def _drawing_in(asked: object) -> tuple[np.ndarray, int | None]:
    """The drawing, and the version that is to read it."""
    pixels, version = _field(asked, "pixels"), _field(asked, "version")
    try:
        drawing = np.frombuffer(base64.b64decode(pixels), np.uint8).reshape(SIDE, SIDE)
    except (TypeError, ValueError):
        raise RequestError(f"a drawing must be {SIDE}x{SIDE} bytes in base64") from None
    if version is not None and not (type(version) is int and 0 <= version < 2**63):
        raise RequestError("a version must be a number, or null for the newest")
    return drawing, version


def _answering(function: Callable[[object], Mapping]) -> Callable[[object], Response]:
    """The function as Gradio calls it: every error is a sentence, and says how it is with asking
    again: `final` where that would not help, `busy` where it should be put off.
    """

    @functools.wraps(function)
    def answer(asked: object = None) -> Response:
        try:
            return _json(function(asked))
        except Forgotten:
            return _json({"forgotten": True})  # the browser has it read anew
        except RequestError as error:
            return _json({"error": f"The page cannot answer this: {error}.", "final": True})
        except ServerBusy:
            return _json({"error": BUSY, "busy": True})
        except ServerUnreachable:
            return _json({"error": AWAY})
        except ModelNotLoaded as error:
            return _json({"error": str(error)})
        except ServingError as error:
            return _json({"error": str(error), "final": True})
        except Exception:
            _log.exception("%s failed", function.__name__)
            return _json({"error": FAILED, "final": True})

    return answer


def _as_prop(layer: Layer) -> dict:
    sizes = {"rows": layer.rows, "width": layer.width, "height": layer.height}
    return {**layer._asdict(), **sizes}


def _json(content: Mapping) -> Response:
    """A response that Gradio passes on as it is: PNGs gain nothing from being compressed again."""
    headers = {"Content-Encoding": "identity"}
    return Response(orjson.dumps(content), media_type="application/json", headers=headers)


def _read(name: str) -> str:
    return (_FOLDER / name).read_text()
