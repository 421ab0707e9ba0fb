"""The page's texts in all languages, compared with its sources."""

import json
import re
import subprocess

import pytest

from demo.translations import TRANSLATIONS
from tests.pages import ROOT
from tests.texts import all_texts

DENO = ROOT / ".venv" / "bin" / "deno"
PLACEHOLDER = re.compile(r"\{\w+\}")


@pytest.fixture(scope="module")
def categories() -> dict[str, list[str]]:
    """The plural categories of each language, from Unicode's data in a JavaScript engine."""
    script = "console.log(JSON.stringify(Object.fromEntries(Deno.args.map((code) => "
    script += "[code, new Intl.PluralRules(code).resolvedOptions().pluralCategories]))))"
    command = [DENO, "eval", script, "--", *TRANSLATIONS]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def forms_of(translation: str | dict[str, str]) -> list[str]:
    return [translation] if isinstance(translation, str) else [*translation.values()]


def test_there_are_eight_languages():
    assert [*TRANSLATIONS] == ["ar", "de", "en", "es", "fr", "ja", "pt", "zh"]


@pytest.mark.parametrize("code", [code for code in TRANSLATIONS if code != "en"])
def test_each_text_is_translated_and_none_is_unused(code):
    assert set(TRANSLATIONS[code]) == set(all_texts())


def test_english_has_the_plural_forms_only():
    plural = {text for text in all_texts() if "{count}" in text}
    assert set(TRANSLATIONS["en"]) == plural
    for text in plural:
        assert TRANSLATIONS["en"][text]["other"] == text


@pytest.mark.parametrize("code", TRANSLATIONS)
def test_placeholders_and_plural_forms_are_complete(code, categories):
    for text, translation in TRANSLATIONS[code].items():
        assert isinstance(translation, dict) == ("{count}" in text), text
        if isinstance(translation, dict):
            forms = [category for category in categories[code] if category in translation]
            assert sorted(translation) == sorted(forms) == sorted(categories[code]), text
        for form in forms_of(translation):
            assert form == form.strip() != "", text
            missing = set(PLACEHOLDER.findall(text)) - set(PLACEHOLDER.findall(form))
            # A form for one or two may say the number in words.
            assert missing <= ({"{count}"} if isinstance(translation, dict) else set()), text
            assert set(PLACEHOLDER.findall(form)) <= set(PLACEHOLDER.findall(text)), text


@pytest.mark.parametrize("code", [code for code in TRANSLATIONS if code != "en"])
def test_translations_differ_from_english(code):
    same = {text for text, translation in TRANSLATIONS[code].items() if text == translation}
    sentences = {
        text for text in same if len(re.findall("[a-z]{4,}", PLACEHOLDER.sub("", text))) > 2
    }
    assert sentences == set()
    assert len(same) < 25
