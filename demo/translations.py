"""The page's texts in all languages, from `demo/xray/texts`: one file per language."""

import json
from pathlib import Path

# By language code: the translation of each English text. Plural texts have a form per category.
TRANSLATIONS: dict[str, dict[str, str | dict[str, str]]] = {
    path.stem: json.loads(path.read_text(encoding="utf-8"))
    for path in sorted((Path(__file__).parent / "xray" / "texts").glob("*.json"))
}


def translations_of(text: str) -> dict[str, str]:
    """Returns an English text in all languages, by language code."""
    return {code: texts.get(text, text) for code, texts in TRANSLATIONS.items()}
