"""Open maps, exact values, versions and colours in a browser."""

import base64
import json
import re
import shutil

import numpy as np
import pytest
from playwright.sync_api import expect

from demo.colours import COLOURS
from demo.network import ExposedNetwork
from serving.client import Client
from tests.browser import draw
from tests.forked import ForkedServer
from tests.galleries import GALLERIES
from tests.hand import strokes_of
from tests.pages import FAST_START, run_page
from tests.pictures import read_sheet
from tests.visit import ask_anew, infer, make_answer, middle_of, opaque, pixels, touch


@pytest.mark.parametrize(
    ("size", "name", "index"),
    [("wide", "h_conv1", 13), ("phone", "h_conv2", 63), ("wide", "h_pool2", 30)],
)
def test_map_is_named_and_opens_enlarged(open_page, size, name, index):
    page = open_page(size)
    gallery = page.locator(f".live .gallery[data-name={name}]")
    # Below the sticky pad.
    gallery.evaluate("gallery => gallery.scrollIntoView({ block: 'center' })")
    layer = next(layer for layer in GALLERIES if layer.name == name)
    mosaic = f".live .gallery[data-name={name}] .mosaic"
    page.mouse.move(*middle_of(page, mosaic, layer, index))
    readout = f".live .gallery[data-name={name}] .readout"
    expect(page.locator(readout)).to_have_text(f"map {index} of 0–{layer.maps - 1}")
    page.mouse.click(*middle_of(page, mosaic, layer, index))
    expect(page.locator(".live .zoom")).to_be_visible()
    expect(page.locator(".live .zoom .name")).to_have_text(f"{layer.title} {name}")

    for part in (".large", ".close", ".overview"):
        expect(page.locator(f".live {part}")).to_be_in_viewport()

    def shown() -> np.ndarray:
        return pixels(page, ".live .large")

    sheet = read_sheet(page.evaluate("last.answer.sheet"))
    np.testing.assert_array_equal(shown(), layer.map_on(sheet, index))
    page.keyboard.press("ArrowLeft")
    np.testing.assert_array_equal(shown(), layer.map_on(sheet, index - 1))
    page.mouse.click(*middle_of(page, ".live .overview", layer, 5))
    np.testing.assert_array_equal(shown(), layer.map_on(sheet, 5))

    other = touch(page, lambda: draw(page, strokes_of(0), ".pad"))  # it stays open and follows
    np.testing.assert_array_equal(shown(), layer.map_on(read_sheet(other["sheet"]), 5))
    page.keyboard.press("Escape")
    expect(page.locator(".live .zoom")).to_be_hidden()


def test_every_version_predicts_the_same_drawing(open_page, client):
    page = open_page(through_gradio=True)
    sent = []
    page.on("request", lambda request: sent.append(request.post_data or ""))
    versions = client.versions()
    buttons = page.locator(".version")
    expect(buttons).to_have_count(len(versions))
    pressed = page.locator('.version[aria-pressed="true"]')
    expect(pressed).to_have_attribute("value", str(versions[-1]))
    for index, version in enumerate(versions):
        answer = ask_anew(page, buttons.nth(index).click)
        expect(pressed).to_have_attribute("value", str(version))
        body = next(body for body in reversed(sent) if '"content"' in body)
        content = base64.b64decode(json.loads(body)["data"]["content"])
        drawing = np.frombuffer(content, np.uint8).reshape(112, 112)
        expected = make_answer(infer(client, drawing, version))
        expected |= {"version": version, "versions": versions}
        assert {name: answer[name] for name in expected} == expected
    for key, version in ((",", versions[-2]), (",", versions[-3]), (".", versions[-2])):
        ask_anew(page, lambda key=key: page.keyboard.press(key))
        expect(pressed).to_have_attribute("value", str(version))


def test_play_shows_every_version(open_page, client):
    page = open_page()
    versions = [str(version) for version in client.versions()]
    expect(page.locator(".version")).to_have_count(len(versions))
    page.evaluate("""() => {
      window.shownVersions = [];
      addEventListener("answer-shown", () => {
        const pressed = document.querySelector('.version[aria-pressed="true"]').value;
        if (shownVersions.at(-1) !== pressed) shownVersions.push(pressed);
      });
    }""")
    page.locator(".play").click()
    expect(page.locator(".play")).to_have_text("Stop")
    expect(page.locator(".play")).to_have_text("Play")
    page.wait_for_function("last => shownVersions.at(-1) === last", arg=versions[-1])
    assert page.evaluate("shownVersions") == versions


def test_play_skips_a_version_that_cannot_be_predicted(open_page, client):
    page = open_page()
    _, second, *_ = client.versions()
    page.evaluate(
        """second => {
          const send = WebSocket.prototype.send;
          WebSocket.prototype.send = function (data) {
            const head = new TextDecoder().decode(data).split("\\n")[0];
            if (JSON.parse(head).version !== second) return send.call(this, data);
            const { id } = JSON.parse(head);
            const answer = JSON.stringify({ id, took: 1, error: "It is broken.", final: true });
            const { buffer } = new TextEncoder().encode(answer);
            queueMicrotask(() => this.onmessage({ data: buffer }));
          };
        }""",
        second,
    )
    page.locator(".play").click()
    expect(page.locator(".play")).to_have_text("Stop")
    expect(page.locator(".play")).to_have_text("Play")
    expect(page.locator('.version[aria-pressed="true"]')).to_have_text("7,254")


def test_legend_shows_the_chosen_colour_map(open_page):
    page = open_page()
    choice, ramp = page.locator(".live .colours"), page.locator(".live .ramp")
    expect(choice.locator("option")).to_have_text(list(COLOURS))
    for name, table in reversed(COLOURS.items()):  # the first one is chosen already
        answer = ask_anew(page, lambda name=name: choice.select_option(name))
        palette = np.frombuffer(table, np.uint8).reshape(256, 3)
        sheet = opaque(read_sheet(answer["sheet"])).reshape(-1, 4)[:, :3]
        np.testing.assert_array_equal(sheet[sheet.sum(axis=1).argmax()], palette[-1])
        image = ramp.evaluate("ramp => getComputedStyle(ramp).backgroundImage")
        stops = [list(map(int, stop)) for stop in re.findall(r"rgb\((\d+), (\d+), (\d+)\)", image)]
        expected = palette[np.linspace(0, 255, len(stops)).round().astype(int)]
        np.testing.assert_array_equal(stops, expected, err_msg=name)


def test_removed_version_is_replaced_by_the_newest(open_page, base_path, tmp_path):
    first, second, third, *_ = sorted(int(path.name) for path in base_path.iterdir())
    served = tmp_path / "mnist"
    for version in (first, second, third):
        shutil.copytree(base_path / str(version), served / str(version))
    with (
        ForkedServer(served, flags=FAST_START) as server,
        run_page(server.target) as url,
        Client(server.target) as c,
    ):
        page = open_page(url=url)
        page.locator(f'.version[value="{second}"]').click()
        shutil.rmtree(served / str(second))
        while second in c.versions():
            page.wait_for_timeout(50)
        page.keyboard.press("7")
        expect(page.locator(".version")).to_have_count(2)
        pressed = page.locator('.version[aria-pressed="true"]')
        expect(pressed).to_have_attribute("value", str(third))
        page.close()


@pytest.mark.parametrize("layer", GALLERIES, ids=lambda layer: layer.name)
def test_lens_shows_exact_value_and_receptive_field(open_page, client, layer):
    page = open_page(through_gradio=True)
    requests = []
    page.on("request", lambda request: requests.append(request))
    touch(page, lambda: page.keyboard.press("8"))
    sent = next(
        r.post_data_json["data"] for r in reversed(requests) if "content" in (r.post_data or "")
    )
    drawing = np.frombuffer(base64.b64decode(sent["content"]), np.uint8).reshape(1, 112, 112)
    maps = client.predict("sketch", {"drawings": drawing})[layer.name]
    maps = maps.reshape(layer.side, layer.side, layer.maps)
    strongest = np.unravel_index(maps.argmax(), maps.shape)
    row, column, index = map(int, strongest)
    mosaic = page.locator(f".live .gallery[data-name={layer.name}] .mosaic")
    mosaic.scroll_into_view_if_needed()
    box = mosaic.bounding_box()
    y = index // layer.columns * (layer.side + 1) + row + 0.5
    x = index % layer.columns * (layer.side + 1) + column + 0.5
    page.mouse.move(
        box["x"] + x / layer.width * box["width"], box["y"] + y / layer.height * box["height"]
    )
    lens = page.locator(".live .lens")
    expect(lens).to_have_text(re.compile(f": {maps.max():.4f}$"))
    field = page.locator(".live .network-input .receptive-field")
    described = ExposedNetwork(client).description().layers[layer.index]
    if not described.receptive_field:
        expect(field).to_be_hidden()
        return
    assert f"map {index} (max {maps.max():.2f}, mean " in lens.text_content()
    assert f"row {row}, column {column}" in lens.text_content()
    image, shown = page.locator(".live .network-input canvas").bounding_box(), field.bounding_box()
    pixel = image["width"] / 28
    axes = zip((row, column), "yx", ("height", "width"), described.receptive_field, strict=True)
    for index, start, size, axis in axes:
        first = max(0, axis.stride * index - axis.before)
        last = min(28, axis.stride * index - axis.before + axis.size)
        assert (shown[start] - image[start]) / pixel == pytest.approx(first, abs=0.1)
        assert shown[size] / pixel == pytest.approx(last - first, abs=0.1)
    with_fields = [gallery for gallery in GALLERIES if gallery.name != "h_fc1"]
    marks = [f".live .gallery[data-name={gallery.name}] .marks" for gallery in with_fields]
    marked = [(pixels(page, selector)[:, :, 3] > 0).sum() for selector in marks]
    assert marked == [gallery.maps for gallery in with_fields]  # one unit in each map
    page.mouse.move(1, 1)
    expect(lens).to_be_hidden()
    expect(field).to_be_hidden()
    assert not any(pixels(page, selector).any() for selector in marks)


def test_other_colours_need_no_prediction(open_page, client):
    page = open_page(through_gradio=True)
    bodies = []
    page.on("request", lambda request: bodies.append(request.post_data_json))
    before = touch(page, lambda: page.keyboard.press("2"))
    sent = next(body["data"] for body in reversed(bodies) if body and "content" in body["data"])
    drawing = np.frombuffer(base64.b64decode(sent["content"]), np.uint8).reshape(112, 112)
    inference = infer(client, drawing)
    newest = {"version": inference.version}
    bodies.clear()
    for selector, choice, style in (
        (".colours", "grey", {"colours": "grey"}),
        (".scale", "map", {"colours": "grey", "scale": "map"}),
        (".colours", "cividis", {"colours": "cividis", "scale": "map"}),
    ):
        answer = ask_anew(
            page, lambda s=selector, c=choice: page.locator(f".live {s}").select_option(c)
        )
        assert newest.items() <= answer.items()
        assert make_answer(inference, style).items() <= answer.items()
    answer = ask_anew(page, lambda: page.locator(".live .scale").select_option("held"))
    held = dict(zip(map(str, before["layers"][1:]), before["largest"][1:], strict=True))
    answer = ask_anew(page, lambda: page.locator(".live .colours").select_option("inferno"))
    assert make_answer(inference, {"scale": "held", "held": held}).items() <= answer.items()
    answer = ask_anew(page, lambda: page.locator(".live .colours").select_option("cividis"))
    assert not any(body and "content" in body["data"] for body in bodies)
    expect(page.locator(".live .gallery[data-name=h_conv1] .maximum")).to_have_text(
        f"to {held['1']:.2f}"
    )
    answer = touch(page, lambda: page.keyboard.press("1"))
    sent = next(body["data"] for body in reversed(bodies) if body and "content" in body["data"])
    drawing = np.frombuffer(base64.b64decode(sent["content"]), np.uint8).reshape(112, 112)
    style = {"colours": "cividis", "scale": "held", "held": held}
    assert make_answer(infer(client, drawing), style).items() <= answer.items()
    shown = pixels(page, ".live .gallery[data-name=h_conv2] canvas >> nth=0")
    sheet = read_sheet(answer["sheet"])
    layer = GALLERIES[2]
    expected = sheet[layer.top : layer.top + layer.height, : layer.width]
    np.testing.assert_array_equal(opaque(shown), opaque(expected))
