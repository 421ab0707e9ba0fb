"""The live component: pad, scores and galleries in one, fed while the pen moves.

Python renders, the browser draws the pen and swaps pictures: the JavaScript beside this file
computes nothing of the network.
"""

import base64
import json
from collections.abc import Callable, Mapping
from pathlib import Path

import gradio as gr
import numpy as np
import orjson
from starlette.responses import Response

from demo.anatomy import Anatomy
from demo.colours import COLOURS, SIGNED_ENDS
from demo.kept import Kept
from demo.layers import GALLERIES, GAP, IMAGE, Layer
from demo.likes import Likes
from demo.look import Answer, reading_of, show
from demo.render import Style, check_style, render_contributions
from demo.takes import Take
from serving.client import ModelNotLoaded, Prediction, ServerUnreachable, ServingError

SIDE = 112  # pixels of the drawing that is sent: four for each of MNIST's
LONGEST_NAME = 64  # characters of what a visitor's browser calls itself
AWAY = (
    "The model server does not answer. Your drawing is kept, and the page goes on by itself as "
    "soon as the server is back."
)
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
        versions: tells which versions can be chosen.
        takes: what can be taken along of a drawing, by name; see `demo.takes`.
    """

    def __init__(
        self,
        ask: Callable[[np.ndarray, int | None], Prediction] | None = None,
        explain: Callable[[np.ndarray, int | None, int | None], Prediction] | None = None,
        dissect: Callable[..., Anatomy] | None = None,
        likes: Callable[[int, str, int], Likes] | None = None,
        versions: Callable[[], list[int]] | None = None,
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
                return ask(drawing, None), {"gone": version}

        def show_kept(visitor: str, style: Style) -> Mapping:
            of, answer = style.get("shown", "B"), kept.get(visitor)
            shown = show(answer, style, None if of == "B" else kept.get(visitor, of))
            return {**shown, "version": answer.version}

        def look_at(asked: Mapping) -> Response:
            def answer(drawing: np.ndarray, version: int | None) -> Mapping:
                visitor, style = _visitor(asked), check_style(asked["style"])
                activations, gone = read(drawing, version)
                kept.put(visitor, activations)
                try:
                    return {**show_kept(visitor, style), **gone}
                except KeyError:
                    return {"lost": True}  # the drawing that it is compared with

            return _answer(answer, asked)

        def keep(asked: Mapping) -> Response:
            """Keeps a drawing as the one that others are compared with."""

            def answer(drawing: np.ndarray, version: int | None) -> Mapping:
                activations, _ = read(drawing, version)
                kept.put(_visitor(asked), activations, "A")
                return reading_of(activations)

            return _answer(answer, asked)

        def tell_why(asked: Mapping) -> Response:
            def answer(drawing: np.ndarray, version: int | None) -> Mapping:
                digit = asked["digit"]
                if digit is not None and not (type(digit) is int and 0 <= digit <= 9):
                    raise ValueError("the digit must be 0 to 9, or null for the one that is read")
                told = explain(drawing, digit, version)
                return {
                    "digit": int(told["digits"]),
                    "picture": render_contributions(told["contributions"]),
                    "field": (told["fields"] / SIDE).tolist(),
                }

            return _answer(answer, asked)

        def take(asked: Mapping) -> Response:
            def answer(drawing: np.ndarray, version: int | None) -> Mapping:
                return {"taken": takes[asked["what"]](drawing, version, str(asked["page"]))}

            return _answer(answer, asked)

        # What follows is of the visitor's last drawing and costs no prediction.

        def repaint(asked: Mapping) -> Response:
            return _detail(lambda: show_kept(asked["visitor"], check_style(asked["style"])))

        def tell_unit(asked: Mapping) -> Response:
            return _detail(lambda: kept.unit(**asked))

        def take_apart(asked: Mapping) -> Response:
            def detail() -> Anatomy:
                answer = kept.get(asked["visitor"], "A" if asked["shown"] == "A" else "B")
                place = {name: asked[name] for name in ("layer", "map", "row", "column")}
                return dissect(answer, **place)

            return _detail(detail)

        def tell_likes(asked: Mapping) -> Response:
            def detail() -> Likes:
                version = kept.get(asked["visitor"]).version
                return likes(version, asked["layer"], asked["map"])

            return _detail(detail)

        def tell_versions(_: None) -> list[int]:
            try:
                return versions()
            except ServingError:
                return []  # the live loop says what is the matter

        functions = [look_at, keep, tell_why, take]
        functions += [repaint, tell_unit, take_apart, tell_likes, tell_versions]
        super().__init__(
            html_template=_read("template.html"),
            css_template=_read("style.css"),
            js_on_load="\n".join(_read(script) for script in _SCRIPTS),
            apply_default_css=False,
            server_functions=functions if ask else [],
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


def _visitor(asked: Mapping) -> str:
    return str(asked["visitor"])[:LONGEST_NAME]


def _answer(answer: Callable[[np.ndarray, int | None], Mapping], asked: Mapping) -> Response:
    """What is answered of the drawing and the version that the browser sent."""

    try:
        pixels, version = base64.b64decode(asked["pixels"]), asked["version"]
        drawing = np.frombuffer(pixels, np.uint8).reshape(SIDE, SIDE)
        if version is not None and not (type(version) is int and 0 <= version < 2**63):
            raise ValueError(f"{version} is no version")
        return _json(answer(drawing, version))
    except (KeyError, TypeError, ValueError) as error:
        sentence = f"A drawing must be {SIDE}x{SIDE} bytes in base64, with all that belongs to it"
        return _json({"error": f"{sentence} ({error})."})
    except ServingError as error:
        return _explain(error)


def _detail(detail: Callable[[], Mapping]) -> Response:
    """A detail of what is kept; where that has been forgotten, the browser has it read anew."""
    try:
        return _json(detail())
    except KeyError:
        return _json({"forgotten": True})
    except (IndexError, TypeError, ValueError) as error:
        return _json({"error": f"There is no such detail ({error})."})
    except ServingError as error:
        return _explain(error)


def _explain(error: ServingError) -> Response:
    return _json({"error": AWAY if isinstance(error, ServerUnreachable) else str(error)})


def _as_prop(layer: Layer) -> dict:
    sizes = {"rows": layer.rows, "width": layer.width, "height": layer.height}
    return {**layer._asdict(), **sizes}


def _json(content: Mapping) -> Response:
    """A response that Gradio passes on as it is: PNGs gain nothing from being compressed again."""
    headers = {"Content-Encoding": "identity"}
    return Response(orjson.dumps(content), media_type="application/json", headers=headers)


def _read(name: str) -> str:
    return (_FOLDER / name).read_text()
