"""The one function behind the page and its API: a drawing in, what the network makes of it out."""

from typing import TypedDict

import numpy as np

from demo.layers import SHEET
from demo.render import render_sheet
from model.calibration import SURE
from serving.client import Client

TIMEOUT = 1.5  # seconds; a page that hangs for longer had better say so
_OUTPUTS = ("probabilities", *(layer.name for layer in SHEET))


class Answer(TypedDict):
    """What is shown of one drawing; no digit if there is no ink."""

    digit: int | None
    sure: bool  # whether the digit is to be believed; most of what is none is not
    probabilities: list[float]
    sheet: str  # a PNG as a data URL
    largest: dict[str, float]  # activation, by layer


def look(client: Client, drawing: np.ndarray) -> Answer:
    """Has the network read a drawing.

    Args:
        client: of the model server.
        drawing: uint8 [H, W], 0 = paper, 255 = ink.

    Raises:
        ServingError: the server did not answer, or refused the drawing.
    """
    outputs = client.predict(
        "sketch", {"drawings": drawing[None]}, outputs=_OUTPUTS, timeout=TIMEOUT
    )
    answer = {name: array[0] for name, array in outputs.items()}
    sheet, largest = render_sheet(answer)
    has_ink = bool(answer["images"].any())
    return Answer(
        digit=int(answer["probabilities"].argmax()) if has_ink else None,
        sure=has_ink and float(answer["probabilities"].max()) >= SURE,
        probabilities=answer["probabilities"].tolist(),
        sheet=sheet,
        largest=largest,
    )
