"""A model's description as JSON for the browser, which builds the galleries and scores from it."""

from collections.abc import Sequence
from typing import Any

from demo.description import GAP, Description, Layer

MAX_LISTED = 10  # classes; up to that many are all shown, in order of their index


def describe_for_browser(
    description: Description,
    name: str,
    models: Sequence[str] = (),
    downloads: Sequence[str] = (),
    side: int = 0,
) -> dict[str, Any]:
    """Converts a description to JSON.

    Args:
        description: of the shown model.
        name: the name under which the visitor chose the model.
        models: all names to choose from.
        downloads: names of the available downloads.
        side: pixels per side of a drawing that the browser sends.
    """
    scores = description.scores
    return {
        "identity": description.identity,
        "model": name,
        "models": list(models),
        "title": description.title,
        "input": {**description.input._asdict(), "side": side},
        "layers": [_layer(layer) for layer in description.layers],
        "scores": scores
        and {
            "layer": scores.layer,
            "classes": scores.classes,
            "labels": [scores.label(index) for index in range(min(scores.classes, MAX_LISTED))],
            "isSingle": scores.classes == 1,
        },
        "canExplain": description.explain in description.signatures,
        "downloads": list(downloads),
        "samples": list(description.samples),
        "lessons": description.lessons,
    }


def _layer(layer: Layer) -> dict[str, Any]:
    return {
        "index": layer.index,
        "name": layer.name,
        "kind": layer.kind,
        "title": layer.title,
        "about": layer.about,
        "isSigned": layer.is_signed,
        "isWide": layer.is_wide,
        "units": layer.units,
        "count": layer.count,
        "size": layer.size,
        "maps": layer.maps,
        "mapHeight": layer.height,
        "mapWidth": layer.width,
        "blocks": layer.blocks,
        "columns": layer.columns,
        "rows": layer.rows,
        "stepX": layer.width + GAP,
        "stepY": layer.height + GAP,
        "width": layer.mosaic_width,
        "height": layer.mosaic_height,
        "receptive_field": layer.receptive_field
        and [axis._asdict() for axis in layer.receptive_field],
        "lessons": layer.lessons,
    }
