"""The page: two ways to bring a picture, one way to look at it."""

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
from demo.xray import Xray
from serving.client import ServingError

TITLE = "Layer X-ray"
HEADING = """# Layer X-ray
Watch every layer of a neural network fire while the pen moves."""
FAILED = "This picture has not been read. What you see is of the one before; send it once more."
# Pictures that are read at the same time; others wait in Gradio's queue.
READING = {"concurrency_id": "reading", "concurrency_limit": 8}
MAX_PICTURES = 64  # in it; one that finds no room gets an error at once
KEPT = (3600, 3600)  # seconds between two looks, and that uploaded pictures stay till then
NOTHING = Image.new("RGB", (28, 28), "white")  # what is looked at where there is no picture
STYLE = Path(__file__).parent / "page.css"


def make_page(networks: Networks, answers: Answers, metrics: Metrics) -> gr.Blocks:
    """Builds the page, on what visitors ask, and its API, on the first of some networks."""

    @contextlib.contextmanager
    def asked(name: str) -> Iterator[Network]:
        started, outcome = time.perf_counter(), "failed"
        try:
            yield networks.find(networks.first)
            outcome = "answered"
        except ServingError as error:
            raise gr.Error(str(error)) from error
        finally:
            metrics.answered(name, outcome, time.perf_counter() - started)

    def classify_picture(picture: Image.Image | None) -> Prediction:
        """Reads what is in a picture; of handwriting, dark on light or light on dark.

        Args:
            picture: a photograph, a scan or a drawing.

        Returns:
            The best class, null on a blank page; whether the network is sure of it; the scores of
            all classes, or of the best ones of many.
        """
        with asked("classify_picture") as network:
            return predict(network, to_picture(picture or NOTHING, network.last.input.kind))

    def show_activations(picture: Image.Image | None) -> ApiPrediction:
        """Reads a picture and shows every layer of the network, as one large PNG."""
        with asked("show_activations") as network:
            return predict_and_render(
                network, to_picture(picture or NOTHING, network.last.input.kind)
            )

    def show_sketch_activations(sketch: dict | None) -> ApiPrediction:
        return show_activations(sketch and sketch["composite"])

    with gr.Blocks(
        title=TITLE, fill_width=True, analytics_enabled=False, delete_cache=KEPT
    ) as page:
        gr.Markdown(HEADING, elem_classes="heading")
        with gr.Tab("Live"):
            Xray(answers.answer)
        with gr.Tab("Picture"):
            with gr.Row():
                with gr.Column(min_width=320):
                    with gr.Tab("Photograph or scan"):
                        picture = gr.Image(
                            type="pil", image_mode="RGBA", show_label=False, height=400
                        )
                    with gr.Tab("Gradio's sketchpad"):
                        sketch = gr.Sketchpad(
                            type="pil", image_mode="RGBA", show_label=False, height=400
                        )
                with gr.Column(scale=2, min_width=320):
                    answer = Xray()
            looks = (
                picture.change(
                    show_activations,
                    picture,
                    answer,
                    api_name="activations",
                    **READING,
                ),
                sketch.change(
                    show_sketch_activations,
                    sketch,
                    answer,
                    api_visibility="private",
                    trigger_mode="always_last",
                    **READING,
                ),
            )
            for event in looks:
                event.failure(lambda: {"error": FAILED}, None, answer, api_visibility="private")
        gr.Button(visible=False).click(  # for programs and agents alone
            classify_picture,
            picture,
            gr.JSON(visible=False),
            api_name="classify",
            **READING,
        )
    return page.queue(max_size=MAX_PICTURES)
