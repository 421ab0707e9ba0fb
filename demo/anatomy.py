"""Why a unit is at its value: what comes in times the weights, term by term.

The terms are computed in double precision from the activations that the network answered and the
weights that the same server tells, so that their sum is the network's own number but for the
rounding of its single precision.
"""

from collections.abc import Callable, Sequence
from typing import NotRequired, TypedDict

import numpy as np

from demo.kept import check_unit
from demo.layers import IMAGE, find_layer
from demo.render import LEAST_SCALE, render_grid
from serving.client import Prediction

STRONGEST = {"h_conv2": 6, "h_fc1": 10, "logits": 10}  # terms that are told one by one
KERNEL = 5
Weights = Callable[[Sequence[str], Sequence[int]], Prediction]  # of names, of units of h_fc1


class Grid(TypedDict):
    """Some numbers side by side, as a picture too."""

    title: str
    numbers: list[list[float]]
    picture: str  # a PNG as a data URL
    winner: NotRequired[list[int]]  # row and column of the one that counts


class Place(TypedDict):
    """A unit, or a whole map."""

    layer: str
    map: int
    row: NotRequired[int]
    column: NotRequired[int]


class Term(TypedDict):
    """What one input, or one input map, adds to the sum."""

    name: str
    at: Place
    contribution: float
    input: NotRequired[float]
    weight: NotRequired[float]
    pictures: NotRequired[list[str]]  # the inputs and their kernel, as data URLs


class Anatomy(TypedDict):
    """One unit, taken apart: the terms, the rest and the bias add up to the sum."""

    row: int
    column: int
    value: float  # as the network answered it
    sum: NotRequired[float]  # before ReLU, where there is a sum
    bias: NotRequired[float]
    grids: list[Grid]
    terms: list[Term]
    rest: NotRequired[float]  # of all terms that are not told
    others: NotRequired[int]  # how many these are


def dissect(
    answer: Prediction,
    weights: Weights,
    layer: str,
    map: int,
    row: int | None = None,
    column: int | None = None,
) -> Anatomy:
    """Takes one unit apart.

    Args:
        answer: the outputs of `sketch` for one drawing.
        weights: tells those of the same version.
        layer: a gallery's, or `logits`.
        map: of the layer, or the digit.
        row, column: of the unit; that of the map's largest if None.

    Raises:
        RequestError: there is no such unit.
        ServingError: the server does not tell its weights.
    """
    if layer == "logits":
        check_unit(answer["logits"][None, None], layer, map, 0, 0)
        return _dissect_logit(answer, weights, map)
    gallery = find_layer(layer)
    maps = gallery.unflatten(answer[layer])
    check_unit(maps, layer, map, 0, 0)
    if row is None or column is None:
        row, column = divmod(int(maps[:, :, map].argmax()), gallery.side)
    check_unit(maps, layer, map, row, column)
    anatomy = _DISSECT[layer](answer, weights, map, row, column)
    return {
        **anatomy,
        "value": float(maps[row, column, map]),
        "row": row,
        "column": column,
    }


def _dissect_h_conv1(answer: Prediction, weights: Weights, map: int, row: int, column: int) -> dict:
    told = weights(["h_conv1_kernel", "h_conv1_bias"], [])
    patch = _patch(IMAGE.unflatten(answer["images"]), row, column)[:, :, 0]  # [5, 5]
    kernel, bias = told["h_conv1_kernel"][:, :, map], float(told["h_conv1_bias"][map])
    products = patch * kernel
    grids = [
        _grid("what it sees", patch, "grey", largest=1.0),
        _grid("its kernel", kernel, "signed"),
        _grid("together", products, "signed"),
    ]
    return {"grids": grids, "terms": [], "bias": bias, "sum": float(products.sum()) + bias}


def _dissect_h_conv2(answer: Prediction, weights: Weights, map: int, row: int, column: int) -> dict:
    told = weights(["h_conv2_kernel", "h_conv2_bias"], [])
    patch = _patch(find_layer("h_pool1").unflatten(answer["h_pool1"]), row, column)  # [5, 5, 32]
    kernel = told["h_conv2_kernel"][:, :, :, map].astype(float)  # [5, 5, 32]
    # So that pictures compare, with each other and with the gallery.
    largest = max(answer["h_pool1"].max(), LEAST_SCALE), np.abs(kernel).max()

    def name(index: int) -> Term:
        pictures = [
            render_grid(patch[:, :, index], "inferno", largest[0]),
            render_grid(kernel[:, :, index], "signed", largest[1]),
        ]
        at = {"layer": "h_pool1", "map": index}
        return {"name": f"map {index} of h_pool1", "at": at, "pictures": pictures}

    bias = float(told["h_conv2_bias"][map])
    summed = _sum((patch * kernel).sum(axis=(0, 1)), bias, STRONGEST["h_conv2"], name)
    return {**summed, "grids": []}


def _dissect_pool(before: str) -> Callable[..., dict]:
    def dissect_pool(answer: Prediction, _: Weights, map: int, row: int, column: int) -> dict:
        maps = find_layer(before).unflatten(answer[before])
        four = maps[2 * row : 2 * row + 2, 2 * column : 2 * column + 2, map]
        grid = _grid(
            f"the strongest of these four of {before}",
            four,
            "inferno",
            max(maps.max(), LEAST_SCALE),
        )
        y, x = grid["winner"] = list(divmod(int(four.argmax()), 2))
        at = {"layer": before, "map": map, "row": 2 * row + y, "column": 2 * column + x}
        name = f"row {at['row']}, column {at['column']} of {before}"
        winner = {"name": name, "at": at, "contribution": float(four[y, x])}
        return {"grids": [grid], "terms": [winner]}

    return dissect_pool


def _dissect_h_fc1(answer: Prediction, weights: Weights, map: int, row: int, column: int) -> dict:
    unit = row * find_layer("h_fc1").side + column
    told = weights(["h_fc1_kernel", "h_fc1_bias"], [unit])
    inputs, kernel = answer["h_pool2"].reshape(-1).astype(float), told["h_fc1_kernel"][:, 0]
    shape = answer["h_pool2"].shape

    def name(index: int) -> Term:
        row, column, map = (int(at) for at in np.unravel_index(index, shape))
        return {
            "name": f"map {map} of h_pool2, row {row}, column {column}",
            "at": {"layer": "h_pool2", "map": map, "row": row, "column": column},
            "input": float(inputs[index]),
            "weight": float(kernel[index]),
        }

    bias = float(told["h_fc1_bias"][0])
    return {**_sum(inputs * kernel, bias, STRONGEST["h_fc1"], name), "grids": []}


def _dissect_logit(answer: Prediction, weights: Weights, digit: int) -> Anatomy:
    told = weights(["logits_kernel", "logits_bias"], [])
    inputs, kernel = answer["h_fc1"].astype(float), told["logits_kernel"][:, digit]

    def name(index: int) -> Term:
        row, column = divmod(index, find_layer("h_fc1").side)
        return {
            "name": f"unit {index} of h_fc1",
            "at": {"layer": "h_fc1", "map": 0, "row": row, "column": column},
            "input": float(inputs[index]),
            "weight": float(kernel[index]),
        }

    summed = _sum(inputs * kernel, float(told["logits_bias"][digit]), STRONGEST["logits"], name)
    value = float(answer["logits"][digit])
    return {**summed, "grids": [], "value": value, "row": 0, "column": 0}


def _sum(contributions: np.ndarray, bias: float, count: int, name: Callable[[int], Term]) -> dict:
    """The `count` strongest terms by name, the rest as one number."""
    strongest = np.argsort(-np.abs(contributions), kind="stable")[:count]
    terms = [{**name(int(i)), "contribution": float(contributions[i])} for i in strongest]
    came = float(contributions.sum())
    return {
        "terms": terms,
        "rest": came - float(contributions[strongest].sum()),
        "others": len(contributions) - len(terms),
        "bias": bias,
        "sum": came + bias,
    }


def _patch(maps: np.ndarray, row: int, column: int) -> np.ndarray:
    """What a kernel at a place lies over, zeros beyond the border: float64 [5, 5, maps]."""
    padded = np.pad(maps.astype(float), ((KERNEL // 2,) * 2, (KERNEL // 2,) * 2, (0, 0)))
    return padded[row : row + KERNEL, column : column + KERNEL]


def _grid(title: str, numbers: np.ndarray, colours: str, largest: float | None = None) -> Grid:
    picture = render_grid(numbers, colours, largest)
    return {"title": title, "numbers": numbers.astype(float).tolist(), "picture": picture}


_DISSECT = {
    "h_conv1": _dissect_h_conv1,
    "h_pool1": _dissect_pool("h_conv1"),
    "h_conv2": _dissect_h_conv2,
    "h_pool2": _dissect_pool("h_conv2"),
    "h_fc1": _dissect_h_fc1,
}
