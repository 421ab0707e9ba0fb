"""What the page and its API make of a look: a reading in words, and a picture of the layers."""

from collections.abc import Mapping, Sequence
from typing import TypedDict

import numpy as np

from demo.description import Layer
from demo.network import Network, Seen
from demo.outline import outline
from demo.render import Style, as_url, render_sheet

MOST_SCORES = 10  # of a thousand classes


class Score(TypedDict):
    """One class."""

    index: int
    label: str
    value: float  # a probability, or the model's own number where there are none


class Reading(TypedDict):
    """What one picture is read as."""

    best: Score | None  # of a picture without ink, or a model without classes, None
    sure: bool  # whether to believe it, as far as that is known
    scores: list[Score]  # all in order of the classes if they are few, else the best


class Shown(Reading):
    """What is shown of one picture."""

    sheet: bytes  # a PNG
    layers: list[int]  # on it, from the top
    largest: list[float]  # activation of each, without its sign


class Answer(Shown):
    """The same in JSON, and what is needed to find the layers on the sheet."""

    sheet: str  # the PNG as a data URL
    network: dict  # `demo.outline`


def look(network: Network, picture: np.ndarray) -> Answer:
    """Has a network look at a picture, uint8 [H, W, 1 or 3], and shows all its layers.

    Raises:
        ServingError: the server did not answer, or refused the picture.
    """
    layers = network.last.layers
    [seen] = network.look(picture[None], range(len(layers)))
    shown = show(seen, seen.description.layers, seen.maps, {})
    told = outline(seen.description, network.client.model)
    return Answer(**{**shown, "sheet": as_url(shown["sheet"]), "network": told})


def read(network: Network, picture: np.ndarray) -> Reading:
    """The reading alone; arguments and errors as of `look`."""
    [seen] = network.look(picture[None], ())
    return reading_of(seen)


def show(
    seen: Seen,
    layers: Sequence[Layer],
    maps: Mapping[int, np.ndarray],
    style: Style,
) -> Shown:
    """What is shown of a picture.

    Args:
        seen: of which the reading is.
        layers: that are shown.
        maps: of these, which may be of another picture, or the difference of two.
        style: of the sheet.
    """
    sheet, largest = render_sheet(layers, maps, style, seen.description.least_scale)
    return Shown(
        **reading_of(seen),
        sheet=sheet,
        layers=[layer.index for layer in layers],
        largest=[largest[layer.index] for layer in layers],
    )


def reading_of(seen: Seen) -> Reading:
    """What the scores say."""
    scores = seen.description.scores
    values = seen.scores if seen.probabilities is None else seen.probabilities
    if scores is None or values is None:
        return Reading(best=None, sure=True, scores=[])
    order = range(len(values))
    if len(values) > MOST_SCORES:
        order = np.argsort(-values, kind="stable")[:MOST_SCORES]
    told = [Score(index=int(i), label=scores.label(int(i)), value=float(values[i])) for i in order]
    is_blank = seen.description.input.kind == "drawing" and not seen.picture.any()
    best = None if is_blank else max(told, key=lambda score: score["value"])
    is_sure = best is not None and (scores.sure is None or best["value"] >= scores.sure)
    return Reading(best=best, sure=is_sure, scores=told)
