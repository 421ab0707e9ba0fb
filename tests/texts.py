"""All English texts of the page, read from its sources: the keys of `demo/xray/texts`.

`python -m tests.texts CODE` prints those that a language lacks.
"""

import json
import re
import sys
from html.parser import HTMLParser

from demo import answers, page, words, xray
from demo.translations import TRANSLATIONS
from tests.pages import ROOT

XRAY = ROOT / "demo" / "xray"
COMMENT = re.compile(r"^\s*//.*$", re.M)
CONTINUED = re.compile(r'"\s*\+\s*"')
LITERAL = re.compile(r'"((?:[^"\\\n]|\\.)*)"')
CALL = re.compile(r'\bt\(((?:[^",)]|"[^"]*")*)')
# In constants: texts with placeholders, and sentences.
CONSTANT = re.compile(r".*\{\w+\}.*|[A-Z][a-z]* .*")
# Titles that the page server gives to the layers of models without titles of their own.
KINDS = (
    *("Input", "Convolution", "Depthwise", "Dense", "Max pooling", "Average pooling"),
    *("Global average pooling", "Global max pooling", "Batch normalisation", "Activation"),
    *("Addition", "Concatenation", "Multiplication", "Rescaling", "Padding"),
)


def all_texts() -> list[str]:
    """Returns the texts, about in the order of the page."""
    found = [words.SUBTITLE, *words.TABS.values(), *_of_template(), *_of_scripts()]
    found += [
        answers.AWAY,
        answers.BUSY,
        answers.FAILED,
        xray.OUTDATED,
        page.FAILED,
        *_of_arithmetic(),
    ]
    for step in json.loads((XRAY / "tour.json").read_text()):
        found += [step["title"], step["text"]]
    found += _of_lessons(json.loads((XRAY / "lessons.json").read_text()))
    about = json.loads((ROOT / "model" / "about.json").read_text())
    found += _of_lessons(about["lessons"])
    for layer in about["layers"].values():
        found += [layer["title"], layer["about"], *_of_lessons({"": layer.get("lessons", [])})]
    return list(dict.fromkeys([*found, *KINDS]))


def _of_lessons(lessons: dict[str, list]) -> list[str]:
    return [text for topic in lessons.values() for lesson in topic for text in lesson]


def _of_scripts() -> list[str]:
    found = []
    for path in sorted((XRAY / "scripts").glob("*.js")):
        source = CONTINUED.sub("", COMMENT.sub("", path.read_text()))
        in_calls = [text for call in CALL.findall(source) for text in LITERAL.findall(call)]
        found += [*in_calls, *filter(CONSTANT.fullmatch, LITERAL.findall(source))]
    names = (XRAY / "scripts" / "sample_pictures.js").read_text()
    return [*found, *re.findall(r'name: "(\w+)"', names)]


def _of_arithmetic() -> list[str]:
    source = (ROOT / "demo" / "arithmetic.py").read_text()
    return [
        text
        for text in LITERAL.findall(source)
        if (re.search(r"\{\w+\}", text) and "{layer.name" not in text)
        or re.match("their |its ", text)
    ]


class _Template(HTMLParser):
    """Collects what the browser translates in a template, as `translateTemplate` does."""

    def __init__(self):
        super().__init__()
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.texts += [v for k, v in attributes if k in ("title", "aria-label", "alt") and v]

    def handle_data(self, data: str) -> None:
        self.texts.append(data.strip())


def _of_template() -> list[str]:
    source = (XRAY / "template.html").read_text()
    template = _Template()
    template.feed(re.sub(r"\$\{live \? `|` : ''\}|` : `|\$\{Object.*?\.join\(''\)\}", " ", source))
    return [text for text in template.texts if re.search("[A-Za-z]{2}", text)]


if __name__ == "__main__":
    known = TRANSLATIONS[sys.argv[1]]
    print(
        "\n".join(json.dumps(text, ensure_ascii=False) for text in all_texts() if text not in known)
    )
