"""Texts with values, which the browser translates into the visitor's language."""

from typing import TypedDict


class Text(TypedDict):
    """A whole English sentence or name with placeholders in braces, and their values."""

    text: str
    values: dict[str, object]


def text(template: str, **values: object) -> Text:
    """Returns a text; `demo/xray/texts` has its translations by template."""
    return {"text": template, "values": values}
