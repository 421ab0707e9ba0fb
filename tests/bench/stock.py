"""The baseline page, written with stock components as Gradio's documentation suggests.

Its input is a `gr.Sketchpad`, its outputs are four `gr.Image`; client and server are the same.
"""

import argparse

import gradio as gr
import numpy as np

from demo.picture_file import find_drawing
from serving.client import Client
from tests.galleries import GALLERIES


def make_stock_page(client: Client) -> gr.Blocks:
    def show_layers(sketch: dict) -> list[np.ndarray]:
        drawing = find_drawing(sketch["composite"])
        outputs = client.predict("sketch", {"drawings": drawing[None]})
        pictures = []
        for layer in GALLERIES[:4]:
            maps = outputs[layer.name][0].reshape(layer.side, layer.side, layer.rows, layer.columns)
            mosaic = maps.transpose(2, 0, 3, 1).reshape(layer.rows * layer.side, -1)
            pictures.append(mosaic / max(mosaic.max(), 1e-6))
        return pictures

    with gr.Blocks(analytics_enabled=False) as page:
        sketch = gr.Sketchpad(type="pil", image_mode="RGBA")
        pictures = [gr.Image(elem_classes="stock") for _ in range(4)]
        sketch.change(show_layers, sketch, pictures, show_progress="hidden")
    return page


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--server", required=True)
    parser.add_argument("--port", type=int, required=True)
    arguments = parser.parse_args()
    with Client(arguments.server) as client:
        make_stock_page(client).launch(server_port=arguments.port)
