"""A description as the browser needs it, to build a model's galleries and scores."""

from collections.abc import Sequence
from typing import Any

from demo.description import GAP, Description, Layer

FEW = 10  # classes, which are all shown in their order


def describe_for_browser(
    description: Description,
    name: str,
    models: Sequence[str] = (),
    downloads: Sequence[str] = (),
    side: int = 0,
) -> dict[str, Any]:
    """JSON.

    Args:
        description: of the model that is shown.
        name: of the model among
        models: that can be chosen from.
        downloads: what can be taken along.
        side: pixels of a drawing that is sent.
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
            "labels": [scores.label(index) for index in range(min(scores.classes, FEW))],
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
