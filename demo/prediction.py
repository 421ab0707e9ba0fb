"""What the page and its API return for a picture: the prediction, and the layers as one PNG."""

from collections.abc import Mapping, Sequence
from typing import TypedDict

import numpy as np

from demo.browser_description import describe_for_browser
from demo.description import Layer
from demo.network import Inference, Network
from demo.render import Style, as_url, render_sheet

MAX_SCORES = 10  # classes; of more, the best ones are returned


class Score(TypedDict):
    """The score of one class."""

    index: int
    label: str
    value: float  # a probability, or the raw score if the model has no probabilities


class Prediction(TypedDict):
    """The scores of a picture, and the class with the highest one."""

    best: Score | None  # None for a blank drawing and for a model without classes
    sure: bool  # whether `best` reaches the confidence threshold, if there is one
    scores: list[Score]  # up to MAX_SCORES classes in order of the index, else the best ones


class RenderedPrediction(Prediction):
    """A prediction with the picture of some layers."""

    sheet: bytes  # a PNG
    layers: list[int]  # indices, from the top of the sheet
    largest: list[float]  # maximum absolute activation of each


class ApiPrediction(RenderedPrediction):
    """A rendered prediction as JSON, with the layout of the sheet."""

    sheet: str  # the PNG as a data URL
    network: dict  # see `demo.browser_description`


def predict_and_render(network: Network, picture: np.ndarray) -> ApiPrediction:
    """Classifies a picture and renders all layers.

    Args:
        network: the model.
        picture: uint8 [H, W, 1 or 3].

    Raises:
        ServingError: the server did not answer, or refused the picture.
    """
    layers = network.last.layers
    [inference] = network.infer(picture[None], range(len(layers)))
    description = inference.description
    rendered = render_prediction(inference, description.layers, inference.maps, {})
    layout = describe_for_browser(description, network.client.model)
    return ApiPrediction(**{**rendered, "sheet": as_url(rendered["sheet"]), "network": layout})


def predict(network: Network, picture: np.ndarray) -> Prediction:
    """Classifies a picture; arguments and errors as for `predict_and_render`."""
    [inference] = network.infer(picture[None], ())
    return prediction_of(inference)


def render_prediction(
    inference: Inference,
    layers: Sequence[Layer],
    maps: Mapping[int, np.ndarray],
    style: Style,
) -> RenderedPrediction:
    """Combines a prediction with the picture of some layers.

    Args:
        inference: gives the prediction.
        layers: the layers to render.
        maps: their maps by index; of another picture, or a difference, if they are compared.
        style: of the sheet.
    """
    sheet, largest = render_sheet(layers, maps, style, inference.description.min_scale)
    return RenderedPrediction(
        **prediction_of(inference),
        sheet=sheet,
        layers=[layer.index for layer in layers],
        largest=[largest[layer.index] for layer in layers],
    )


def prediction_of(inference: Inference) -> Prediction:
    """Reads the prediction from the scores."""
    scores = inference.description.scores
    values = inference.scores if inference.probabilities is None else inference.probabilities
    if scores is None or values is None:
        return Prediction(best=None, sure=True, scores=[])
    indices = range(len(values))
    if len(values) > MAX_SCORES:
        indices = np.argsort(-values, kind="stable")[:MAX_SCORES]
    listed = [
        Score(index=int(i), label=scores.label(int(i)), value=float(values[i])) for i in indices
    ]
    is_blank = inference.description.input.kind == "drawing" and not inference.picture.any()
    best = None if is_blank else max(listed, key=lambda score: score["value"])
    is_sure = best is not None and (
        scores.confidence_threshold is None or best["value"] >= scores.confidence_threshold
    )
    return Prediction(best=best, sure=is_sure, scores=listed)
