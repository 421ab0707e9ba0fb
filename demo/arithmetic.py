"""Why a unit is at its value: what comes in times the weights, term by term, by kind of layer.

The terms are computed in double precision from the activations that the model answered and the
weights that the same server tells. Where their sum is not the value that the model answered, or
where a kind is not known, the value alone is told.
"""

from collections.abc import Callable
from typing import NamedTuple, NotRequired, TypedDict

import numpy as np

from demo.description import Description, Layer
from demo.errors import RequestError
from demo.network import Parameters
from demo.render import render_grid

STRONGEST = 10  # terms that are told one by one,
STRONGEST_WITH_PICTURES = 6  # and where each has two pictures
MAX_PICTURED = 8  # rows or columns of numbers that are shown as a grid
TOLERANCE = 1e-3  # of the value, by which a sum may miss it

FUNCTIONS: dict[str, Callable[[float], float]] = {
    "linear": lambda x: x,
    "relu": lambda x: max(x, 0.0),
    "relu6": lambda x: min(max(x, 0.0), 6.0),
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "tanh": np.tanh,
    "silu": lambda x: x / (1 + np.exp(-x)),
    "softplus": lambda x: np.logaddexp(0, x),
}


class Grid(TypedDict):
    """Some numbers side by side, as a picture too."""

    title: str
    numbers: list[list[float]]
    picture: str  # a PNG as a data URL
    winner: NotRequired[list[int]]  # row and column of the one that counts


class Place(TypedDict):
    """A unit, or a whole map."""

    layer: int
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


class Sum(TypedDict, total=False):
    """How a unit adds up: the terms, the rest and the bias are the sum."""

    grids: list[Grid]
    terms: list[Term]
    rest: float  # of all terms that are not told
    others: int  # how many these are
    bias: float
    sum: float  # before the activation
    is_plain: bool  # there is nothing to add up: the term is the value


class Anatomy(Sum):
    """One unit, taken apart as far as that can be done."""

    row: int
    column: int
    value: float  # as the model answered it
    activation: str


class Unit(NamedTuple):
    """What there is to take apart.

    Args:
        layer, map, row, column: which unit; of a layer without places, where it is shown.
        full: tells all activations of a layer of the same description.
        parameters: tells what the map is made with.
    """

    description: Description
    layer: Layer
    map: int
    row: int
    column: int
    full: Callable[[Layer], np.ndarray]
    parameters: Callable[[Layer, int], Parameters]

    @property
    def sources(self) -> list[Layer]:
        return [self.description.layers[index] for index in self.layer.sources]

    def maps_of(self, layer: Layer) -> np.ndarray:
        """float64 [height, width, maps]"""
        return as_maps(layer, self.full(layer)).astype(float)


def as_maps(layer: Layer, activations: np.ndarray) -> np.ndarray:
    """A layer's activations in full as [height, width, maps]; units row by row, zeros behind."""
    if layer.units:
        square = np.zeros(layer.height * layer.width, activations.dtype)
        places = np.arange(layer.shown_units)
        square[places] = activations[layer.unit_at(places)]
        return square.reshape(layer.height, layer.width, 1)
    return activations.reshape(*layer.shape[:2], -1)


def check_unit(layer: Layer, map: object, row: object = 0, column: object = 0) -> None:
    """Raises RequestError if a layer has no such unit."""
    ends = (layer.count, *layer.size)
    places = zip((map, row, column), ends, strict=True)
    is_there = all(type(at) is int and 0 <= at < end for at, end in places)
    if not is_there or (layer.units and row * layer.width + column >= layer.shown_units):
        raise RequestError(f"{layer.name} has no unit at {row}, {column} of map {map}")


def dissect(unit: Unit) -> Anatomy:
    """Takes one unit apart.

    Raises:
        ServingError: the server does not tell its weights.
    """
    value = float(unit.maps_of(unit.layer)[unit.row, unit.column, unit.map])
    known = KINDS.get(unit.layer.kind)
    summed: Sum = known(unit) if known and unit.layer.is_exact else {}
    if not _holds(summed, unit.layer, value):
        summed = {}
    return {
        "grids": [],
        "terms": [],
        **summed,
        "value": value,
        "row": unit.row,
        "column": unit.column,
        "activation": unit.layer.activation,
    }


def _holds(summed: Sum, layer: Layer, value: float) -> bool:
    """Whether a sum comes to the value, as far as the activation lets one say."""
    function = FUNCTIONS.get(layer.activation)
    if "sum" not in summed or function is None:
        return True
    got = float(function(summed["sum"]))
    terms = (abs(term["contribution"]) for term in summed.get("terms", ()))
    scale = max(abs(value), *terms, 1e-6)
    return abs(got - value) <= TOLERANCE * scale


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

        def name(index: int) -> Term:
            at = {"layer": source.index, "map": first + index, "row": top, "column": left}
            numbers = {"input": float(patch[0, 0, index]), "weight": float(kernel[0, 0, index])}
            return {"name": f"map {first + index} of {source.name}", "at": at, **numbers}

        return _sum((patch * kernel)[0, 0], bias, STRONGEST, name)
    # So that pictures compare, with each other and with the gallery.
    largest = np.abs(inputs).max(), np.abs(kernel).max()

    def picture(index: int) -> Term:
        pictures = [
            render_grid(patch[:, :, index], _colours(source), largest[0]),
            render_grid(kernel[:, :, index], "signed", largest[1]),
        ]
        at = {"layer": source.index, "map": first + index}
        return {"name": f"map {first + index} of {source.name}", "at": at, "pictures": pictures}

    return _sum((patch * kernel).sum(axis=(0, 1)), bias, STRONGEST_WITH_PICTURES, picture)


def _depthwise(unit: Unit) -> Sum:
    [source] = unit.sources
    kernel, bias, _ = unit.parameters(unit.layer, unit.map)  # [height, width]
    multiplier = unit.layer.count // source.count
    patch = _patch(unit.maps_of(source), unit)[:, :, unit.map // multiplier]
    return _one_map(patch, kernel, bias, source)


def _one_map(patch: np.ndarray, kernel: np.ndarray, bias: float, source: Layer) -> Sum:
    """A kernel over a single map: all three are shown number by number."""
    products = patch * kernel
    is_input = source.kind == "input"
    grids = [
        _grid("what it sees", patch, "grey" if is_input else _colours(source)),
        _grid("its kernel", kernel, "signed"),
        _grid("together", products, "signed"),
    ]
    return {"grids": grids, "terms": [], "bias": bias, "sum": float(products.sum()) + bias}


def _dense(unit: Unit) -> Sum:
    [source] = unit.sources
    kernel, bias, _ = unit.parameters(unit.layer, _number_of(unit))
    if unit.layer.units:
        inputs = unit.full(source).reshape(-1).astype(float)
    else:
        inputs = unit.maps_of(source)[unit.row, unit.column]

    def name(index: int) -> Term:
        numbers = {"input": float(inputs[index]), "weight": float(kernel[index])}
        at = _place_of(source, index) if unit.layer.units else _same_place(unit, source, index)
        return {**at, **numbers}

    return _sum(inputs * kernel, bias, STRONGEST, name)


def _max_pooling(unit: Unit) -> Sum:
    return _pooling(unit, np.nanmax, "the strongest of these")


def _average_pooling(unit: Unit) -> Sum:
    return _pooling(unit, np.nanmean, "the mean of these")


def _pooling(unit: Unit, pool: Callable[[np.ndarray], float], title: str) -> Sum:
    [source] = unit.sources
    window = _patch(unit.maps_of(source), unit, beyond=np.nan)[:, :, unit.map]
    value = float(pool(window))
    if max(window.shape) > MAX_PICTURED:
        return {"sum": value, "is_plain": True}
    grid = _grid(f"{title} of {source.name}", np.nan_to_num(window), _colours(source))
    if pool is not np.nanmax:
        return {"grids": [grid], "sum": value, "is_plain": True}
    y, x = grid["winner"] = [int(at) for at in divmod(int(np.nanargmax(window)), window.shape[1])]
    top, left = _corner(unit)
    at = {"layer": source.index, "map": unit.map, "row": top + y, "column": left + x}
    name = f"row {top + y}, column {left + x} of {source.name}"
    term = {"name": name, "at": at, "contribution": value}
    return {"grids": [grid], "terms": [term], "sum": value, "is_plain": True}


def _global_pooling(unit: Unit) -> Sum:
    [source] = unit.sources
    map = _number_of(unit)
    inputs = unit.maps_of(source)[:, :, map]
    is_mean = unit.layer.kind == "global average pooling"
    value = float(inputs.mean() if is_mean else inputs.max())
    what = "the mean" if is_mean else "the strongest"
    name = f"{what} of the {inputs.size:,} units of map {map} of {source.name}"
    at = {"layer": source.index, "map": map}
    term = {"name": name, "at": at, "contribution": value}
    return {"terms": [term], "sum": value, "is_plain": True}


def _batch_normalisation(unit: Unit) -> Sum:
    [source] = unit.sources
    scale, shift, _ = unit.parameters(unit.layer, _number_of(unit))
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
    """A map is one of a source's, or a unit is."""
    at = _number_of(unit)
    for source in unit.sources:
        count = source.units or source.count
        if at < count:
            if unit.layer.units:
                term = {**_place_of(source, at), "contribution": float(unit.full(source)[at])}
            elif source.size == unit.layer.size:
                term = _same_place(unit, source, at)
            else:
                return {}
            return {"terms": [term], "sum": term["contribution"], "is_plain": True}
        at -= count
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


def _number_of(unit: Unit) -> int:
    """Of its map, or of a unit without a place."""
    layer = unit.layer
    return layer.unit_at(unit.row * layer.width + unit.column) if layer.units else unit.map


def _corner(unit: Unit) -> tuple[int, int]:
    """Row and column of the first input that a unit looks at; it may lie beyond the border."""
    window = unit.layer.window
    top, left = (
        at * stride - pad
        for at, stride, pad in zip((unit.row, unit.column), window.stride, window.pad, strict=True)
    )
    return top, left


def _patch(maps: np.ndarray, unit: Unit, beyond: float = 0.0) -> np.ndarray:
    """What a unit looks at, [height, width, maps], with a number for all beyond the border."""
    window = unit.layer.window
    rows, columns = (
        start + dilation * np.arange(size)
        for start, dilation, size in zip(_corner(unit), window.dilation, window.size, strict=True)
    )
    height, width, _ = maps.shape
    patch = maps[np.clip(rows, 0, height - 1)][:, np.clip(columns, 0, width - 1)].copy()
    patch[(rows < 0) | (rows >= height)] = beyond
    patch[:, (columns < 0) | (columns >= width)] = beyond
    return patch


def _same_place(unit: Unit, source: Layer, map: int | None = None) -> Term:
    """The unit of a source at the unit's own place."""
    map = unit.map if map is None else map
    value = float(unit.maps_of(source)[unit.row, unit.column, map])
    at = {"layer": source.index, "map": map, "row": unit.row, "column": unit.column}
    if source.units:
        index = source.unit_at(unit.row * source.width + unit.column)
        return {**_place_of(source, index), "contribution": value}
    name = f"map {map} of {source.name}, row {unit.row}, column {unit.column}"
    return {"name": name, "at": at, "contribution": value}


def _place_of(source: Layer, index: int) -> Term:
    """The unit of a source by its number in the order of memory."""
    if source.units:
        row, column = divmod(source.place_of(index), source.width)
        at = {"layer": source.index, "map": 0, "row": row, "column": column}
        return {"name": f"unit {index} of {source.name}", "at": at}
    row, column, map = (int(at) for at in np.unravel_index(index, (*source.shape, 1)[:3]))
    at = {"layer": source.index, "map": map, "row": row, "column": column}
    return {"name": f"map {map} of {source.name}, row {row}, column {column}", "at": at}


def _sum(contributions: np.ndarray, bias: float, count: int, name: Callable[[int], Term]) -> Sum:
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


def _colours(source: Layer) -> str:
    return "signed" if source.is_signed else "inferno"


def _grid(title: str, numbers: np.ndarray, colours: str) -> Grid:
    picture = render_grid(numbers, colours)
    return {"title": title, "numbers": numbers.astype(float).tolist(), "picture": picture}
