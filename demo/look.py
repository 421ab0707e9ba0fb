"""What the page and its API ask of the network: a drawing in, what it makes of it out."""

from collections.abc import Mapping, Sequence
from typing import TypedDict

import numpy as np

from demo.layers import SHEET
from demo.render import Style, as_url, render_sheet
from model.calibration import SURE
from serving.client import Client, Prediction

SHOWN = ("logits", "probabilities", *(layer.name for layer in SHEET))


class Reading(TypedDict):
    """What one drawing is read as; no digit if there is no ink."""

    digit: int | None
    sure: bool  # whether to believe the digit; seldom true of what is not a digit
    probabilities: list[float]


class Shown(Reading):
    """What is shown of one drawing."""

    sheet: bytes  # a PNG
    largest: dict[str, float]  # activation, by layer


class Answer(Reading):
    """The same in JSON."""

    sheet: str  # the PNG as a data URL
    largest: dict[str, float]


def read(client: Client, drawing: np.ndarray) -> Reading:
    """Has the network read a drawing; arguments and errors as of `look`."""
    return reading_of(ask(client, drawing, names=("images", "probabilities")))


def look(client: Client, drawing: np.ndarray, version: int | None = None) -> Answer:
    """Has the network read a drawing, and shows all its layers.

    Args:
        client: of the model server.
        drawing: uint8 [H, W], 0 = paper, 255 = ink.
        version: of the network; the newest if None.

    Raises:
        ServingError: the server did not answer, or refused the drawing.
    """
    shown = show(ask(client, drawing, version, SHOWN))
    return Answer(**{**shown, "sheet": as_url(shown["sheet"])})


def show(
    answer: Mapping[str, np.ndarray],
    style: Style | None = None,
    layers: Mapping[str, np.ndarray] | None = None,
) -> Shown:
    """What is shown of the outputs of `sketch` for one drawing, of all that are `SHOWN`.

    Args:
        answer: the outputs, of which the reading is.
        style: of the picture.
        layers: what the picture is of, if not of the answer.
    """
    sheet, largest = render_sheet(answer if layers is None else layers, style)
    return Shown(**reading_of(answer), sheet=sheet, largest=largest)


def ask(
    client: Client, drawing: np.ndarray, version: int | None = None, names: Sequence[str] = ()
) -> Prediction:
    """The named outputs of `sketch` for one drawing, all if none is named; else as of `look`."""
    return _ask_of_one(client, "sketch", {"drawings": drawing}, version, names)


def explain(
    client: Client, drawing: np.ndarray, digit: int | None = None, version: int | None = None
) -> Prediction:
    """The outputs of `explain` for one drawing.

    Args:
        digit: that the ink speaks for or against; the one that is read if None.
        client, drawing, version: as of `look`, and so are the errors.
    """
    inputs = {"drawings": drawing, "digits": np.array(-1 if digit is None else digit)}
    return _ask_of_one(client, "explain", inputs, version)


def ask_weights(
    client: Client, names: Sequence[str], units: Sequence[int], version: int
) -> Prediction:
    """The named weights of a version, of `h_fc1` those of some units; errors as of `look`."""
    inputs = {"units": np.array(units, np.int32)}
    return client.predict("weights", inputs, outputs=names, version=version)


def _ask_of_one(
    client: Client,
    signature: str,
    inputs: Mapping[str, np.ndarray],
    version: int | None,
    names: Sequence[str] = (),
) -> Prediction:
    batch = {name: array[None] for name, array in inputs.items()}
    outputs = client.predict(signature, batch, outputs=names, version=version)
    for name, array in outputs.items():
        outputs[name] = array[0]
    return outputs


def reading_of(answer: Mapping[str, np.ndarray]) -> Reading:
    """The reading in the outputs of `sketch` for one drawing."""
    has_ink = bool(answer["images"].any())
    return Reading(
        digit=int(answer["probabilities"].argmax()) if has_ink else None,
        sure=has_ink and float(answer["probabilities"].max()) >= SURE,
        probabilities=answer["probabilities"].tolist(),
    )
