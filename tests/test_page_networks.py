"""The page with other networks, in a real browser: pictures, the camera, several models, and a
servable without a description.
"""

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from PIL import Image
from playwright.sync_api import Page, expect

from model.exposed.export import expose
from serving.client import Client
from tests.forked import ForkedServer
from tests.pages import run_page
from tests.visit import ask_anew, copied

LABELS = ["red", "green", "blue"]
EVIL = '<img src="x" onerror="document.hacked = 1">'


def colours_network() -> keras.Model:
    """Classifies a picture by its strongest colour; its first layers have 120x120 units."""
    inputs = keras.Input((120, 120, 3), name="photo")
    x = layers.Rescaling(1 / 255)(inputs)
    means = layers.GlobalAveragePooling2D(name="means")(x)
    for block in range(3):
        x = layers.Conv2D(8 * 3**block, 3, padding="same", name=f"conv{block}")(x)
        x = layers.BatchNormalization(name=f"norm{block}")(x)
        x = layers.ReLU(name=f"relu{block}")(x)
        x = layers.MaxPool2D(name=f"pool{block}")(x)
    features = layers.GlobalAveragePooling2D(name="features")(x)
    both = layers.Concatenate(name="both")([means, features])
    dense = layers.Dense(3, activation="softmax", name="colour")
    model = keras.Model(inputs, dense(both))
    kernel = np.zeros((3 + 72, 3), np.float32)
    kernel[:3] = 8 * np.eye(3)
    dense.set_weights([kernel, np.zeros(3, np.float32)])
    return model


def save_stranger(path: Path) -> None:
    """Saves a servable with unusual names, two signatures and no description."""
    module = tf.Module()
    module.kernel = tf.Variable(np.eye(3, 5, dtype=np.float32)[None, None])

    @tf.function(input_signature=[tf.TensorSpec([None, 32, 32, 3], tf.float32, "photo")])
    def look(photo: tf.Tensor) -> dict[str, tf.Tensor]:
        maps = tf.nn.conv2d(photo, module.kernel, 1, "SAME")
        return {EVIL: maps, "means": tf.nn.softmax(tf.reduce_mean(maps, [1, 2]))}

    @tf.function(input_signature=[tf.TensorSpec([None, 32, 32, 3], tf.uint8, "photo")])
    def edges(photo: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"edges": tf.image.sobel_edges(tf.cast(photo, tf.float32))[..., 0]}

    tf.saved_model.save(module, str(path), {"serving_default": look, "edges": edges})


class Served(NamedTuple):
    """The page, its model server, and the model of colours."""

    url: str
    target: str
    model: keras.Model


@pytest.fixture(scope="module")
def served(tmp_path_factory, base_path) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("networks")
    model = colours_network()
    expose(model, folder / "colours", labels=LABELS, pixels=(0, 255))
    save_stranger(folder / "stranger" / "1")
    config = folder / "models.config"
    bases = {
        "colours": folder / "colours",
        "stranger": folder / "stranger",
        "mnist": base_path,
    }
    blocks = (
        f'config {{ name: "{name}" base_path: "{base}" model_platform: "tensorflow" }}'
        for name, base in bases.items()
    )
    config.write_text(f"model_config_list {{ {' '.join(blocks)} }}")
    flags = (f"--model-config-file={config}",)
    models = [f"--model={name}" for name in bases]
    with ForkedServer(folder / "colours", "colours", flags=flags) as server:
        with run_page(server.target, *models) as url:
            yield Served(url, server.target, model)


def open_file(page: Page, name: str, picture: Image.Image) -> dict:
    """Opens a picture on the page, and waits until it is shown."""
    file = io.BytesIO()
    picture.save(file, "PNG")
    content = {"name": name, "mimeType": "image/png", "buffer": file.getvalue()}
    return ask_anew(page, lambda: page.locator(".file").set_input_files(content))


def choose(page: Page, model: str) -> None:
    page.locator(".models").select_option(model)
    expect(page.locator(".model-title")).to_have_text(re.compile(model))


def test_picture_is_classified_and_visible_layers_are_shown(open_page, served):
    page = open_page(url=served.url)
    expect(page.locator(".live .winner")).to_have_count(1)  # a sample picture is shown at first
    for index, colour in enumerate(["#c01010", "#10c010", "#1010c0"]):
        picture = Image.new("RGB", (200, 150), colour)
        answer = open_file(page, "colour.png", picture)
        expect(page.locator(".live .best")).to_have_text(LABELS[index])
        whole = np.full((1, 120, 120, 3), np.asarray(picture)[0, 0], np.float32)
        truth = served.model(whole).numpy()[0]
        values = [score["value"] for score in answer["scores"]]
        np.testing.assert_allclose(values, truth, atol=1e-4)
    galleries = page.locator(".live .gallery")
    expect(galleries).to_have_count(16)  # all but the input and the scores
    shown = set(page.evaluate("last.answer.layers"))
    assert shown < set(range(1, 17))  # layers out of sight are not requested
    galleries.last.scroll_into_view_if_needed()
    page.wait_for_function("last.answer.layers.includes(16)")
    assert 1 not in page.evaluate("last.answer.layers")


def test_large_layer_is_shown_in_full_resolution(open_page, served):
    page = open_page(url=served.url)
    y, x = np.mgrid[:120, :120].astype(np.uint8)
    picture = np.stack([y, x, y ^ x], axis=2)
    open_file(page, "pattern.png", Image.fromarray(picture))
    conv = keras.Model(served.model.input, served.model.get_layer("conv0").output)
    truth = conv(picture[None].astype(np.float32)).numpy()[0]  # [120, 120, 8]
    page.locator('.live .gallery[data-name="conv0"] .mosaic').click(position={"x": 3, "y": 3})
    large = page.locator(".live .large")
    page.wait_for_function("document.querySelector('.live .large').width === 120")
    large.click(position={"x": 1, "y": 1})
    expect(page.locator(".live .unit")).to_have_text(re.compile("^chosen unit: row 0, column 0"))
    value = float(page.locator(".live .unit").inner_text().rpartition(" ")[2].replace("−", "-"))
    assert value == pytest.approx(float(truth[0, 0, 0]), abs=1e-4)
    expect(page.locator(".live .terms tr")).to_have_count(3)  # one per colour
    expect(page.locator(".live .total")).to_contain_text(f"{value:.4f}".lstrip("-"))


def test_camera_frames_are_classified_until_it_stops(open_page, served):
    page = open_page(url=served.url)
    page.evaluate("""() => {
      window.sheets = new Set();
      addEventListener("answer-shown", () => sheets.add(last?.answer.sheet));
    }""")
    page.locator(".camera").click()
    expect(page.locator('.camera[aria-pressed="true"]')).to_be_visible()
    page.wait_for_function("sheets.size > 10")
    page.locator(".camera").click()
    expect(page.locator('.camera[aria-pressed="false"]')).to_be_visible()
    assert page.evaluate("document.querySelector('.video').srcObject") is None
    page.wait_for_timeout(300)  # frames in flight
    before = page.evaluate("last.askedAt")
    page.wait_for_timeout(500)
    assert page.evaluate("last.askedAt") == before


def test_invalid_file_and_missing_camera_are_reported(open_page, served):
    page = open_page(url=served.url)
    content = {"name": "notes.png", "mimeType": "image/png", "buffer": b"no picture at all"}
    page.locator(".file").set_input_files(content)
    problem = page.locator(".live .picture-problem")
    expect(problem).to_have_text(re.compile("browser cannot read this picture"))
    page.evaluate("""() => {
      navigator.mediaDevices.getUserMedia = () =>
        Promise.reject(new DOMException("no", "NotAllowedError"));
    }""")
    page.locator(".camera").click()
    expect(problem).to_have_text(re.compile("camera is not allowed"))
    page.locator(".sample-pictures .tool").first.click()
    expect(problem).to_be_hidden()


def test_picture_can_be_pasted_and_dropped(open_page, served):
    page = open_page(url=served.url)
    carry = """([event, selector, colour]) => new Promise((done) => {
      const canvas = new OffscreenCanvas(40, 40);
      const context = canvas.getContext("2d");
      context.fillStyle = colour;
      context.fillRect(0, 0, 40, 40);
      canvas.convertToBlob().then((blob) => {
        const data = new DataTransfer();
        data.items.add(new File([blob], "a.png", { type: "image/png" }));
        const fields = { bubbles: true, cancelable: true };
        document.querySelector(selector).dispatchEvent(event === "paste"
          ? new ClipboardEvent("paste", { ...fields, clipboardData: data })
          : new DragEvent("drop", { ...fields, dataTransfer: data }));
        done();
      });
    })"""
    page.evaluate(carry, ["paste", ".live", "#00f000"])
    expect(page.locator(".live .best")).to_have_text("green")
    page.evaluate(carry, ["drop", ".live .picture", "#0000f0"])
    expect(page.locator(".live .best")).to_have_text("blue")


def test_explanation_is_about_the_picture(open_page, served):
    page = open_page(url=served.url)
    open_file(page, "red.png", Image.new("RGB", (120, 120), "#a02020"))
    page.locator(".why").click()
    expect(page.locator(".live .explanation-legend").first).to_have_text("for red against red")
    page.locator(".live .score").nth(2).click()
    expect(page.locator(".live .explanation-legend").first).to_have_text("for blue against blue")


def test_models_can_be_chosen_and_linked(open_page, served):
    page = open_page(url=served.url)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    # A second signature is listed too once another test has used the first one.
    choices = page.locator(".models option").filter(has_not_text="stranger:edges")
    expect(choices).to_have_text(["colours", "stranger", "mnist"])
    page.locator(".models").select_option("mnist")
    expect(page.locator(".live .pad")).to_be_visible()
    expect(page.locator(".live .best")).to_have_text("3")
    expect(page.locator(".live .picture")).to_be_hidden()
    page.keyboard.press("7")
    expect(page.locator(".live .best")).to_have_text("7")
    link = copied(page, "link")
    assert "model=mnist" in link
    other = open_page(url=link)
    expect(other.locator(".live .best")).to_have_text("7")
    other.locator(".models").select_option("colours")
    expect(other.locator(".live .picture")).to_be_visible()
    expect(other.locator(".live .best")).to_have_text(re.compile("red|green|blue"))


def test_servable_without_a_description_is_shown(open_page, served):
    page = open_page(url=served.url)
    choose(page, "stranger")
    gallery = page.locator(".live .gallery")
    expect(gallery).to_have_count(1)
    expect(gallery.locator("code")).to_have_text(EVIL)  # a name is shown as text, not HTML
    assert page.evaluate("document.hacked") is None
    open_file(page, "blue.png", Image.new("RGB", (32, 32), "#0000ff"))
    with Client(served.target, "stranger") as client:
        blue = np.zeros((1, 32, 32, 3), np.float32)
        blue[..., 2] = 1
        truth = client.predict("serving_default", {"photo": blue})["means"][0]
    expect(page.locator(".live .best")).to_have_text(str(truth.argmax()))
    for part in (".why", ".show-sum", ".downloads"):  # they need a description
        expect(page.locator(f".live {part}")).to_be_hidden()
    gallery.locator(".mosaic").click(position={"x": 3, "y": 3})
    expect(page.locator(".live .unit")).to_have_text(re.compile("^strongest unit: row"))
    expect(page.locator(".live .terms, .live .total")).to_have_count(0)
    expect(page.locator(".models option")).to_have_text(
        ["colours", "stranger", "stranger:edges", "mnist"]
    )
    page.locator(".models").select_option("stranger:edges")
    expect(gallery.locator("code")).to_have_text("edges")
    expect(page.locator(".live .scores")).to_be_hidden()


def test_missing_model_is_reported(open_page, served, browser):
    with run_page(served.target, "--model=tulips") as url:
        context = browser.new_context()
        page = context.new_page()
        page.goto(url)
        notice = page.locator(".live .notice")
        expect(notice).to_have_text(re.compile("does not have it.*tulips.*Check what it serves"))
        context.close()
