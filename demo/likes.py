"""What drives a map most: the picture that was found for it, and real digits.

Both are of a version's weights and of no drawing.
"""

from typing import TypedDict

from demo.errors import RequestError
from demo.examples import load_strip
from demo.layers import find_layer
from demo.look import ask_weights
from demo.render import render_grid
from serving.client import Client

OF_SECOND = ("h_conv2", "h_pool2")  # the first convolution's kernels say it themselves


class Likes(TypedDict):
    """Pictures as data URLs; None where there is none."""

    likes: str | None
    examples: str | None


def tell_likes(client: Client, version: int, layer: str, map: int) -> Likes:
    """What drives a map of a layer most, a pool's what drives its convolution's.

    Raises:
        RequestError: there is no such map.
        ServingError: the server does not tell it.
    """
    if not (type(map) is int and 0 <= map < find_layer(layer).maps):
        raise RequestError(f"{layer} has no map {map}")
    picture = None
    if layer in OF_SECOND:
        features = ask_weights(client, ["h_conv2_features"], [], version)["h_conv2_features"]
        picture = render_grid(features[map], "grey", 255)
    return Likes(likes=picture, examples=load_strip(client, version, layer, map))
