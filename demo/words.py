"""The words of Gradio's own components, in all languages."""

import gradio as gr

from demo.translations import TRANSLATIONS

TITLE = "Layer X-ray"
SUBTITLE = "Watch every layer of a neural network fire while the pen moves."
TABS = {
    "live": "Live",
    "picture": "Picture",
    "photograph": "Photograph or scan",
    "sketchpad": "Gradio's sketchpad",
}


def _words(texts: dict[str, str]) -> dict[str, str]:
    tabs = {key: texts.get(word, word) for key, word in TABS.items()}
    return {**tabs, "heading": f"# {TITLE}\n{texts.get(SUBTITLE, SUBTITLE)}"}


I18N = gr.I18n(**{code: _words(texts) for code, texts in TRANSLATIONS.items()})
