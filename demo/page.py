"""The Gradio page and its API: two tabs to give a picture, one component to show its layers."""

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

import gradio as gr
from PIL import Image

from demo.answers import Answers
from demo.metrics import Metrics
from demo.network import Network
from demo.networks import Networks
from demo.picture_file import to_picture
from demo.prediction import ApiPrediction, Prediction, predict, predict_and_render
from demo.uploads import UploadedImage
from demo.words import I18N, TITLE
from demo.xray import Xray
from serving.client import ServingError

FAILED = (
    "This picture has not been classified; the page still shows the previous one. Please send "
    "it again."
)
PREDICTIONS = {"concurrency_id": "predictions", "concurrency_limit": 8}  # the others are queued
MAX_QUEUE = 64  # pictures; beyond that, an error at once
DELETE_CACHE = (3600, 3600)  # seconds between clean-ups, and age of uploads that they delete
BLANK = Image.new("RGB", (28, 28), "white")  # classified if a request has no picture
STYLE = Path(__file__).parent / "page.css"


def make_page(networks: Networks, answers: Answers, metrics: Metrics) -> gr.Blocks:
    """Builds the page and its API.

    Args:
        networks: the API uses the first of them.
        answers: answers the live tab.
        metrics: counts the calls of the API.
    """

    @contextlib.contextmanager
    def measured(name: str) -> Iterator[Network]:
        """Yields the network and records the call under a name."""
        started, outcome = time.perf_counter(), "failed"
        try:
            yield networks.find(networks.first)
            outcome = "answered"
        except ServingError as error:
            raise gr.Error(str(error)) from error
        finally:
            metrics.answered(name, outcome, time.perf_counter() - started)

    # Gradio shows the docstrings of the two functions below to callers of the API and to agents.

    def classify_picture(picture: Image.Image | None) -> Prediction:
        """Classifies a picture; for handwriting, dark on light or light on dark.

        Args:
            picture: a photo, a scan or a drawing.

        Returns:
            best: the class with the highest score, null for a blank page; sure: whether the network
            is confident; scores: of all classes, or of the best ten.
        """
        with measured("classify_picture") as network:
            return predict(network, to_picture(picture or BLANK, network.last.input.kind))

    def show_activations(picture: Image.Image | None) -> ApiPrediction:
        """Classifies a picture and draws every layer of the network, in one large PNG."""
        with measured("show_activations") as network:
            return predict_and_render(
                network, to_picture(picture or BLANK, network.last.input.kind)
            )

    def show_sketch_activations(sketch: dict | None) -> ApiPrediction:
        return show_activations(sketch and sketch["composite"])

    with gr.Blocks(
        title=TITLE, fill_width=True, analytics_enabled=False, delete_cache=DELETE_CACHE
    ) as page:
        gr.Markdown(I18N("heading"), elem_classes="heading")
        with gr.Tab(I18N("live")):
            Xray(answers.answer)
        with gr.Tab(I18N("picture")):
            with gr.Row():
                with gr.Column(min_width=320):
                    with gr.Tab(I18N("photograph")):
                        picture = UploadedImage(
                            type="pil", image_mode="RGBA", show_label=False, height=400
                        )
                    with gr.Tab(I18N("sketchpad")):
                        sketch = gr.Sketchpad(
                            type="pil", image_mode="RGBA", show_label=False, height=400
                        )
                with gr.Column(scale=2, min_width=320):
                    answer = Xray()
            changes = (
                picture.change(
                    show_activations,
                    picture,
                    answer,
                    api_name="activations",
                    **PREDICTIONS,
                ),
                sketch.change(
                    show_sketch_activations,
                    sketch,
                    answer,
                    api_visibility="private",
                    trigger_mode="always_last",
                    **PREDICTIONS,
                ),
            )
            for change in changes:
                change.failure(lambda: {"error": FAILED}, None, answer, api_visibility="private")
        # An event without a trigger, for the API and MCP only. gr.api would not do: it neither
        # decodes the picture nor checks its path. Gradio's clients need a component as the output.
        gr.on(
            [],
            classify_picture,
            picture,
            gr.JSON(visible=False),
            api_name="classify",
            **PREDICTIONS,
        )
    return page.queue(max_size=MAX_QUEUE)
