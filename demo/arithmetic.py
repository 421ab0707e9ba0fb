"""Decomposes the value of a unit into terms, input times weight, for each kind of layer.

The terms are computed in double precision from the activations and weights that the model server
returns. If their sum does not match the unit's value, or the kind of layer is unknown, only the
value is returned.
"""

from collections.abc import Callable
from typing import NamedTuple, NotRequired, TypedDict

import numpy as np

from demo.description import Description, Layer
from demo.errors import RequestError
from demo.network import Parameters
from demo.render import render_grid
from demo.text import Text, text

MAX_TERMS = 10  # listed individually; the others are summed
MAX_TERMS_WITH_PICTURES = 6  # the same where each term has two pictures
MAX_GRID_SIDE = 8  # rows or columns of a pooling window that is shown as a grid
TOLERANCE = 1e-3  # relative error of a sum, compared with the largest of its terms

ACTIVATIONS: dict[str, Callable[[float], float]] = {
    "linear": lambda x: x,
    "relu": lambda x: max(x, 0.0),
    "relu6": lambda x: min(max(x, 0.0), 6.0),
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "tanh": np.tanh,
    "silu": lambda x: x / (1 + np.exp(-x)),
    "softplus": lambda x: np.logaddexp(0, x),
}


class Grid(TypedDict):
    """A matrix, as numbers and as a picture."""

    title: Text
    numbers: list[list[float]]
    picture: str  # a PNG as a data URL
    winner: NotRequired[list[int]]  # row and column of the maximum, in max pooling


class Place(TypedDict):
    """A unit, or a whole map."""

    layer: int
    map: int
    row: NotRequired[int]
    column: NotRequired[int]


class Term(TypedDict):
    """The contribution of one input, or of one input map."""

    name: Text
    at: Place
    contribution: float
    input: NotRequired[float]
    weight: NotRequired[float]
    pictures: NotRequired[list[str]]  # input patch and kernel, as data URLs


class Sum(TypedDict, total=False):
    """A sum: the terms (or the last grid), the rest and the bias."""

    grids: list[Grid]
    terms: list[Term]
    rest: float  # sum of the terms that are not listed
    others: int  # number of terms that are not listed
    bias: float
    sum: float  # before the activation function


class Decomposition(Sum):
    """A unit and, if it can be decomposed, its sum."""

    row: int
    column: int
    value: float  # as the model computed it
    activation: str


class Unit(NamedTuple):
    """A unit to decompose.

    Args:
        description: of the model.
        layer, map, row, column: position of the unit; for a layer of shape [units], its position
            on the shown map.
        activations: returns all activations of a layer of the description.
        parameters: returns the parameters of a map.
    """

    description: Description
    layer: Layer
    map: int
    row: int
    column: int
    activations: Callable[[Layer], np.ndarray]
    parameters: Callable[[Layer, int], Parameters]

    @property
    def sources(self) -> list[Layer]:
        return [self.description.layers[index] for index in self.layer.sources]

    def maps_of(self, layer: Layer) -> np.ndarray:
        """Returns all maps of a layer: float64 [height, width, maps]."""
        return as_maps(layer, self.activations(layer)).astype(float)


def as_maps(layer: Layer, activations: np.ndarray) -> np.ndarray:
    """Reshapes all activations of a layer to [height, width, maps].

    A layer of shape [units] becomes one map, filled row by row and padded with zeros.
    """
    if layer.units:
        square = np.zeros(layer.height * layer.width, activations.dtype)
        positions = np.arange(layer.shown_units)
        square[positions] = activations[layer.unit_at(positions)]
        return square.reshape(layer.height, layer.width, 1)
    return activations.reshape(*layer.shape[:2], -1)


def check_unit(layer: Layer, map: object, row: object = 0, column: object = 0) -> None:
    """Raises RequestError if a layer does not have this unit."""
    ends = (layer.count, *layer.size)
    indices = zip((map, row, column), ends, strict=True)
    exists = all(type(index) is int and 0 <= index < end for index, end in indices)
    if not exists or (layer.units and row * layer.width + column >= layer.shown_units):
        raise RequestError(f"{layer.name} has no unit at {row}, {column} of map {map}")


def decompose(unit: Unit) -> Decomposition:
    """Decomposes a unit.

    Raises:
        ServingError: the server does not return activations or parameters.
    """
    value = float(unit.maps_of(unit.layer)[unit.row, unit.column, unit.map])
    function = KINDS.get(unit.layer.kind)
    total: Sum = function(unit) if function and unit.layer.is_exact else {}
    if not _matches(total, unit.layer, value):
        total = {}
    return {
        "grids": [],
        "terms": [],
        **total,
        "value": value,
        "row": unit.row,
        "column": unit.column,
        "activation": unit.layer.activation,
    }


def _matches(total: Sum, layer: Layer, value: float) -> bool:
    """Whether a sum gives the value; also true if the activation function is unknown."""
    function = ACTIVATIONS.get(layer.activation)
    if "sum" not in total or function is None:
        return True
    terms = (abs(term["contribution"]) for term in total.get("terms", ()))
    scale = max(abs(value), *terms, 1e-6)
    return abs(float(function(total["sum"])) - value) <= TOLERANCE * scale


def _convolution(unit: Unit) -> Sum:
    [source] = unit.sources
    kernel, bias, _ = unit.parameters(unit.layer, unit.map)  # [height, width, maps of the group]
    inputs = unit.maps_of(source)
    group = unit.map // (unit.layer.count // unit.layer.window.groups)
    first = group * kernel.shape[2]
    inputs = inputs[:, :, first : first + kernel.shape[2]]
    patch = _patch(inputs, unit)  # [height, width, maps of the group]
    if kernel.shape[2] == 1:
        return _one_map(patch[:, :, 0], kernel[:, :, 0], bias, source)
    top, left = _corner(unit)
    if kernel.shape[:2] == (1, 1):

        def make_term(index: int) -> Term:
            at = {"layer": source.index, "map": first + index, "row": top, "column": left}
            numbers = {"input": float(patch[0, 0, index]), "weight": float(kernel[0, 0, index])}
            return {"name": _map_of(source, first + index), "at": at, **numbers}

        return _sum((patch * kernel)[0, 0], bias, MAX_TERMS, make_term)
    # One scale for all terms, so that their pictures can be compared.
    largest = np.abs(inputs).max(), np.abs(kernel).max()

    def make_term_with_pictures(index: int) -> Term:
        pictures = [
            render_grid(patch[:, :, index], _colours(source), largest[0]),
            render_grid(kernel[:, :, index], "signed", largest[1]),
        ]
        at = {"layer": source.index, "map": first + index}
        return {"name": _map_of(source, first + index), "at": at, "pictures": pictures}

    contributions = (patch * kernel).sum(axis=(0, 1))
    return _sum(contributions, bias, MAX_TERMS_WITH_PICTURES, make_term_with_pictures)


def _depthwise(unit: Unit) -> Sum:
    [source] = unit.sources
    kernel, bias, _ = unit.parameters(unit.layer, unit.map)  # [height, width]
    multiplier = unit.layer.count // source.count
    patch = _patch(unit.maps_of(source), unit)[:, :, unit.map // multiplier]
    return _one_map(patch, kernel, bias, source)


def _one_map(patch: np.ndarray, kernel: np.ndarray, bias: float, source: Layer) -> Sum:
    """The sum over a single map: patch, kernel and products are shown as grids."""
    products = patch * kernel
    is_input = source.kind == "input"
    grids = [
        _grid(text("its input"), patch, "grey" if is_input else _colours(source)),
        _grid(text("its kernel"), kernel, "signed"),
        _grid(text("their product"), products, "signed"),
    ]
    return {"grids": grids, "terms": [], "bias": bias, "sum": float(products.sum()) + bias}


def _dense(unit: Unit) -> Sum:
    [source] = unit.sources
    kernel, bias, _ = unit.parameters(unit.layer, _parameter_index(unit))
    if unit.layer.units:
        inputs = unit.activations(source).reshape(-1).astype(float)
    else:
        inputs = unit.maps_of(source)[unit.row, unit.column]

    def make_term(index: int) -> Term:
        numbers = {"input": float(inputs[index]), "weight": float(kernel[index])}
        if unit.layer.units:
            return {**_locate(source, index), **numbers}
        return {**_same_place(unit, source, index), **numbers}

    return _sum(inputs * kernel, bias, MAX_TERMS, make_term)


def _max_pooling(unit: Unit) -> Sum:
    return _pooling(unit, np.nanmax, "the maximum of these units of {layer}")


def _average_pooling(unit: Unit) -> Sum:
    return _pooling(unit, np.nanmean, "the mean of these units of {layer}")


def _pooling(unit: Unit, pool: Callable[[np.ndarray], float], title: str) -> Sum:
    [source] = unit.sources
    window = _patch(unit.maps_of(source), unit, padding=np.nan)[:, :, unit.map]
    value = float(pool(window))
    if max(window.shape) > MAX_GRID_SIDE:
        return {"sum": value}
    grid = _grid(text(title, layer=source.name), np.nan_to_num(window), _colours(source))
    if pool is not np.nanmax:
        return {"grids": [grid], "sum": value}
    y, x = grid["winner"] = [*divmod(int(np.nanargmax(window)), window.shape[1])]
    top, left = _corner(unit)
    at = {"layer": source.index, "map": unit.map, "row": top + y, "column": left + x}
    name = text(
        "row {row}, column {column} of {layer}", row=top + y, column=left + x, layer=source.name
    )
    term = {"name": name, "at": at, "contribution": value}
    return {"grids": [grid], "terms": [term], "sum": value}


def _global_pooling(unit: Unit) -> Sum:
    [source] = unit.sources
    map = _parameter_index(unit)
    inputs = unit.maps_of(source)[:, :, map]
    is_mean = unit.layer.kind == "global average pooling"
    value = float(inputs.mean() if is_mean else inputs.max())
    template = (
        "the mean of the {count} units of map {map} of {layer}"
        if is_mean
        else "the strongest of the {count} units of map {map} of {layer}"
    )
    name = text(template, count=inputs.size, map=map, layer=source.name)
    at = {"layer": source.index, "map": map}
    term = {"name": name, "at": at, "contribution": value}
    return {"terms": [term], "sum": value}


def _batch_normalisation(unit: Unit) -> Sum:
    [source] = unit.sources
    scale, shift, _ = unit.parameters(unit.layer, _parameter_index(unit))
    term = _same_place(unit, source)
    product = term["contribution"] * float(scale)
    term |= {"input": term["contribution"], "weight": float(scale), "contribution": product}
    return {"terms": [term], "bias": shift, "sum": product + shift}


def _activation(unit: Unit) -> Sum:
    term = _same_place(unit, unit.sources[0])
    return {"terms": [term], "bias": 0.0, "sum": term["contribution"]}


def _addition(unit: Unit) -> Sum:
    if any(source.shape != unit.layer.shape for source in unit.sources):
        return {}
    terms = [_same_place(unit, source) for source in unit.sources]
    return {"terms": terms, "bias": 0.0, "sum": sum(term["contribution"] for term in terms)}


def _concatenation(unit: Unit) -> Sum:
    """The unit is a copy of one unit of a source."""
    index = _parameter_index(unit)
    for source in unit.sources:
        count = source.units or source.count
        if index < count:
            if unit.layer.units:
                value = float(unit.activations(source)[index])
                term = {**_locate(source, index), "contribution": value}
            elif source.size == unit.layer.size:
                term = _same_place(unit, source, index)
            else:
                return {}
            return {"terms": [term], "sum": term["contribution"]}
        index -= count
    return {}


KINDS: dict[str, Callable[[Unit], Sum]] = {
    "convolution": _convolution,
    "depthwise": _depthwise,
    "dense": _dense,
    "max pooling": _max_pooling,
    "average pooling": _average_pooling,
    "global average pooling": _global_pooling,
    "global max pooling": _global_pooling,
    "batch normalisation": _batch_normalisation,
    "activation": _activation,
    "addition": _addition,
    "concatenation": _concatenation,
}


def _parameter_index(unit: Unit) -> int:
    """Index of the unit's map or, for a layer of shape [units], of the unit itself."""
    layer = unit.layer
    return layer.unit_at(unit.row * layer.width + unit.column) if layer.units else unit.map


def _corner(unit: Unit) -> tuple[int, int]:
    """Row and column where a unit's window begins, which may lie outside of the input."""
    window = unit.layer.window
    top, left = (
        index * stride - pad
        for index, stride, pad in zip(
            (unit.row, unit.column), window.stride, window.pad, strict=True
        )
    )
    return top, left


def _patch(maps: np.ndarray, unit: Unit, padding: float = 0.0) -> np.ndarray:
    """Returns the maps inside a unit's window, padded outside: [height, width, maps]."""
    window = unit.layer.window
    rows, columns = (
        start + dilation * np.arange(size)
        for start, dilation, size in zip(_corner(unit), window.dilation, window.size, strict=True)
    )
    height, width, _ = maps.shape
    patch = maps[np.clip(rows, 0, height - 1)][:, np.clip(columns, 0, width - 1)].copy()
    patch[(rows < 0) | (rows >= height)] = padding
    patch[:, (columns < 0) | (columns >= width)] = padding
    return patch


def _same_place(unit: Unit, source: Layer, map: int | None = None) -> Term:
    """The term of the source's unit at the same row and column."""
    map = unit.map if map is None else map
    value = float(unit.maps_of(source)[unit.row, unit.column, map])
    at = {"layer": source.index, "map": map, "row": unit.row, "column": unit.column}
    if source.units:
        index = source.unit_at(unit.row * source.width + unit.column)
        return {**_locate(source, index), "contribution": value}
    return {"name": _unit_of(source, map, unit.row, unit.column), "at": at, "contribution": value}


def _locate(source: Layer, index: int) -> Term:
    """Name and place of a source's unit, by its index in the flattened layer."""
    if source.units:
        row, column = divmod(source.position_of(index), source.width)
        at = {"layer": source.index, "map": 0, "row": row, "column": column}
        return {"name": text("unit {unit} of {layer}", unit=index, layer=source.name), "at": at}
    row, column, map = (int(at) for at in np.unravel_index(index, (*source.shape, 1)[:3]))
    at = {"layer": source.index, "map": map, "row": row, "column": column}
    return {"name": _unit_of(source, map, row, column), "at": at}


def _map_of(source: Layer, map: int) -> Text:
    return text("map {map} of {layer}", map=map, layer=source.name)


def _unit_of(source: Layer, map: int, row: int, column: int) -> Text:
    template = "map {map} of {layer}, row {row}, column {column}"
    return text(template, map=map, layer=source.name, row=row, column=column)


def _sum(
    contributions: np.ndarray, bias: float, count: int, make_term: Callable[[int], Term]
) -> Sum:
    """Lists the `count` strongest terms, and sums the others."""
    strongest = np.argsort(-np.abs(contributions), kind="stable")[:count]
    terms = [{**make_term(int(i)), "contribution": float(contributions[i])} for i in strongest]
    total = float(contributions.sum())
    return {
        "terms": terms,
        "rest": total - float(contributions[strongest].sum()),
        "others": len(contributions) - len(terms),
        "bias": bias,
        "sum": total + bias,
    }


def _colours(source: Layer) -> str:
    return "signed" if source.is_signed else "inferno"


def _grid(title: Text, numbers: np.ndarray, colours: str) -> Grid:
    picture = render_grid(numbers, colours)
    return {"title": title, "numbers": numbers.astype(float).tolist(), "picture": picture}
