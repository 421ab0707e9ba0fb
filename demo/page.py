"""The page: two ways to bring a digit, one way to look at it."""

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

import gradio as gr
import numpy as np
from PIL import Image

from demo.answers import Answers
from demo.look import Answer, Reading, look, read
from demo.metrics import Metrics
from demo.photo import find_drawing
from demo.xray import Xray
from serving.client import Client, ServingError

TITLE = "Layer X-ray"
HEADING = """# Layer X-ray
Draw a digit and watch every layer of a convolutional network fire while the pen moves."""
FAILED = "This picture has not been read. What you see is of the one before; send it once more."
# Pictures that are read at the same time; others wait in Gradio's queue.
READING = {"concurrency_id": "reading", "concurrency_limit": 8}
MOST_PICTURES = 64  # in it; one that finds no room gets an error at once
KEPT = (3600, 3600)  # seconds between two looks, and that uploaded pictures stay till then
NO_INK = np.zeros((28, 28), np.uint8)
STYLE = Path(__file__).parent / "page.css"


def make_page(client: Client, answers: Answers, metrics: Metrics) -> gr.Blocks:
    """Builds the page and its API on a client of the model server, and on what visitors ask."""

    @contextlib.contextmanager
    def counted(name: str) -> Iterator[None]:
        started, outcome = time.perf_counter(), "failed"
        try:
            yield
            outcome = "answered"
        except ServingError as error:
            raise gr.Error(str(error)) from error
        finally:
            metrics.answered(name, outcome, time.perf_counter() - started)

    def read_digit(picture: Image.Image | None) -> Reading:
        """Reads the handwritten digit in a picture, dark on light or light on dark.

        Args:
            picture: of one digit: a photograph, a scan or a drawing.

        Returns:
            The digit, null on a blank page; whether the network is sure of it, which it seldom is
            of what is no digit; the calibrated probability of each digit, 0 to 9.
        """
        with counted("read_digit"):
            return read(client, find_drawing(picture) if picture else NO_INK)

    def look_at_picture(picture: Image.Image | None) -> Answer:
        """Reads the digit in a picture and shows every layer of the network, as one large PNG."""
        with counted("look_at_picture"):
            return look(client, find_drawing(picture) if picture else NO_INK)

    def look_at_sketch(sketch: dict | None) -> Answer:
        return look_at_picture(sketch and sketch["composite"])

    with gr.Blocks(
        title=TITLE, fill_width=True, analytics_enabled=False, delete_cache=KEPT
    ) as page:
        gr.Markdown(HEADING, elem_classes="heading")
        with gr.Tab("Draw"):
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
                    look_at_picture,
                    picture,
                    answer,
                    api_name="look",
                    **READING,
                ),
                sketch.change(
                    look_at_sketch,
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
            read_digit,
            picture,
            gr.JSON(visible=False),
            api_name="read_digit",
            **READING,
        )
    return page.queue(max_size=MOST_PICTURES)
