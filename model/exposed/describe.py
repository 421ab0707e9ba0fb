"""Describes an exposed model in a JSON document.

`docs/description.md` defines the fields.
"""

import json
from collections.abc import Mapping, Sequence

from model.exposed.kinds import OTHER
from model.exposed.layers import Layer
from model.exposed.network import Network
from model.exposed.preprocessing import Preprocessing
from model.exposed.thumbnail import thumbnail_form

SCHEMA = "layer-xray/2"


def describe(
    name: str,
    network: Network,
    preprocessing: Preprocessing,
    labels: Sequence[str] = (),
    about: Mapping[str, object] | None = None,
) -> dict:
    """Returns the description.

    Args:
        name: the name under which the model is served.
        network, preprocessing: the model's.
        labels: class names in order; empty if unknown.
        about: fields to add or override, such as `title` and `trained`; `layers` has fields by
            layer name.
    """
    about = dict(about or {})
    overrides = about.pop("layers", {})
    index = {id(layer): number for number, layer in enumerate(network.layers)}
    layers = [{**_layer(layer, index), **overrides.get(layer.name, {})} for layer in network.layers]
    return {
        "schema": SCHEMA,
        "name": name,
        "title": name,
        "input": _input(network, preprocessing),
        "max_batch_size": network.max_batch_size,
        "layers": layers,
        "outputs": network.outputs,
        "scores": _scores(network, labels),
        **about,
    }


def to_json(description: Mapping[str, object]) -> str:
    """Returns the text that the signature `describe` returns."""
    return json.dumps(description, ensure_ascii=False)


def _input(network: Network, preprocessing: Preprocessing) -> dict:
    height, width, channels = (*preprocessing.shape, 1)[:3]
    return {
        "name": network.inputs.name,
        "kind": preprocessing.kind,
        "height": height,
        "width": width,
        "channels": channels,
        "pixels": list(preprocessing.pixels),
        "preprocessing": preprocessing.description,
    }


def _scores(network: Network, labels: Sequence[str]) -> dict | None:
    scores = network.scores
    return scores and {**scores._asdict(), "labels": list(labels)}


def _layer(layer: Layer, index: Mapping[int, int]) -> dict:
    return {
        "name": layer.name,
        "kind": layer.kind.name if layer.operation else "input",
        "class": type(layer.operation).__name__ if layer.operation else None,
        "shape": layer.shape,
        "from": [index[id(source.layer)] for source in layer.sources],
        "is_exact": layer.is_exact and layer.kind is not OTHER,
        "window": layer.windows and _window(layer),
        "activation": layer.activation,
        "is_signed": layer.is_signed,
        "receptive_field": layer.field and [axis._asdict() for axis in layer.field],
        "thumbnail": thumbnail_form(layer.shape)._asdict(),
    }


def _window(layer: Layer) -> dict:
    """Returns the window on the source, each field for rows and columns."""
    operation = layer.operation
    size = getattr(operation, "kernel_size", None) or operation.pool_size
    return {
        "size": list(size),
        "stride": [window.stride for window in layer.windows],
        "dilation": list(getattr(operation, "dilation_rate", (1, 1))),
        "pad": [window.pad for window in layer.windows],
        "groups": getattr(operation, "groups", 1),
    }
