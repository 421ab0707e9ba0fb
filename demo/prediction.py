"""What the page and its API make of a look: a reading in words, and a picture of the layers."""

from collections.abc import Mapping, Sequence
from typing import TypedDict

import numpy as np

from demo.browser_description import describe_for_browser
from demo.description import Layer
from demo.network import Inference, Network
from demo.render import Style, as_url, render_sheet

MAX_SCORES = 10  # of a thousand classes


class Score(TypedDict):
    """One class."""

    index: int
    label: str
    value: float  # a probability, or the model's own number where there are none


class Prediction(TypedDict):
    """What one picture is read as."""

    best: Score | None  # of a picture without ink, or a model without classes, None
    sure: bool  # whether to believe it, as far as that is known
    scores: list[Score]  # all in order of the classes if they are few, else the best


class RenderedPrediction(Prediction):
    """What is shown of one picture."""

    sheet: bytes  # a PNG
    layers: list[int]  # on it, from the top
    largest: list[float]  # activation of each, without its sign


class ApiPrediction(RenderedPrediction):
    """The same in JSON, and what is needed to find the layers on the sheet."""

    sheet: str  # the PNG as a data URL
    network: dict  # `demo.browser_description`


def predict_and_render(network: Network, picture: np.ndarray) -> ApiPrediction:
    """Has a network look at a picture, uint8 [H, W, 1 or 3], and shows all its layers.

    Raises:
        ServingError: the server did not answer, or refused the picture.
    """
    layers = network.last.layers
    [seen] = network.infer(picture[None], range(len(layers)))
    shown = render_prediction(seen, seen.description.layers, seen.maps, {})
    told = describe_for_browser(seen.description, network.client.model)
    return ApiPrediction(**{**shown, "sheet": as_url(shown["sheet"]), "network": told})


def predict(network: Network, picture: np.ndarray) -> Prediction:
    """The reading alone; arguments and errors as of `predict_and_render`."""
    [seen] = network.infer(picture[None], ())
    return prediction_of(seen)


def render_prediction(
    seen: Inference,
    layers: Sequence[Layer],
    maps: Mapping[int, np.ndarray],
    style: Style,
) -> RenderedPrediction:
    """What is shown of a picture.

    Args:
        seen: of which the reading is.
        layers: that are shown.
        maps: of these, which may be of another picture, or the difference of two.
        style: of the sheet.
    """
    sheet, largest = render_sheet(layers, maps, style, seen.description.min_scale)
    return RenderedPrediction(
        **prediction_of(seen),
        sheet=sheet,
        layers=[layer.index for layer in layers],
        largest=[largest[layer.index] for layer in layers],
    )


def prediction_of(seen: Inference) -> Prediction:
    """What the scores say."""
    scores = seen.description.scores
    values = seen.scores if seen.probabilities is None else seen.probabilities
    if scores is None or values is None:
        return Prediction(best=None, sure=True, scores=[])
    order = range(len(values))
    if len(values) > MAX_SCORES:
        order = np.argsort(-values, kind="stable")[:MAX_SCORES]
    told = [Score(index=int(i), label=scores.label(int(i)), value=float(values[i])) for i in order]
    is_blank = seen.description.input.kind == "drawing" and not seen.picture.any()
    best = None if is_blank else max(told, key=lambda score: score["value"])
    is_sure = best is not None and (
        scores.confidence_threshold is None or best["value"] >= scores.confidence_threshold
    )
    return Prediction(best=best, sure=is_sure, scores=told)
