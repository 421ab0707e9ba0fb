"""Dataset examples, compared with a search by other means."""

import gzip
import struct
import sys

import numpy as np
import pytest
from PIL import Image

from demo import examples
from demo.description import Description
from demo.examples import COUNT, find_examples, find_strip, path_of, read_pictures, save_examples
from demo.network import ExposedNetwork
from model.drawing import to_mnist_form
from tests.pictures import read_sheet


@pytest.fixture(scope="module")
def sample(digits) -> np.ndarray:
    return digits[0][::7]  # more than one batch


@pytest.fixture(scope="module")
def network(client) -> ExposedNetwork:
    return ExposedNetwork(client)


@pytest.fixture(scope="module")
def description(network, final_version) -> Description:
    return network.description(final_version)


@pytest.fixture(scope="module")
def found(network, sample, final_version):
    return find_examples(network, final_version, list(sample[..., None]))


@pytest.mark.parametrize("name", ["h_conv1", "h_pool1", "h_conv2", "h_pool2"])
def test_examples_have_the_strongest_activations(client, description, sample, found, name):
    [layer] = [layer for layer in description.layers if layer.name == name]
    answers = [
        client.predict("sketch", {"drawings": part}, outputs=["images", name])
        for part in np.array_split(sample, 4)
    ]
    inputs, maps = (  # [N, 28, 28] and [N, side, side, maps]
        np.concatenate([answer[output] for answer in answers]) for output in ("images", name)
    )
    for index in (0, 5, maps.shape[3] - 1):
        peaks = maps[:, :, :, index].max(axis=(1, 2))
        best = np.sort(peaks)[::-1][:COUNT]
        span = np.ptp(maps[:, :, :, index], axis=(1, 2))
        for rank, (picture, (row, column)) in enumerate(
            zip(found[layer.index].pictures[index], found[layer.index].places[index])
        ):
            shown = picture[:, :, 0] / 255
            scaled = inputs / inputs.max(axis=(1, 2), keepdims=True)
            errors = np.abs(scaled - shown).max(axis=(1, 2))
            match = int(errors.argmin())
            assert errors[match] < 0.01
            assert peaks[match] == pytest.approx(best[rank], rel=1e-4)
            # Previews are rounded, so one of two equally strong units may be reported.
            assert maps[match, row, column, index] >= peaks[match] - span[match] / 255


def test_layers_without_receptive_field_have_no_examples(description, found):
    assert sorted(found) == [1, 2, 3, 4]
    assert [layer.index for layer in description.layers if not layer.receptive_field] == [5, 6]


def test_strip_is_dimmed_outside_the_receptive_field(
    network, description, found, tmp_path, monkeypatch
):
    monkeypatch.setattr(examples, "FOLDER", tmp_path)
    layers = {layer.name: layer for layer in description.layers}

    def strip_of(name: str, map: int, version: int = description.version) -> str | None:
        return find_strip(network, network.description(version), layers[name], map)

    assert strip_of("h_conv2", 3) is None
    save_examples(found, path_of(network, description))
    for name, field, stride, before in (("h_conv2", 14, 2, 6), ("h_pool2", 16, 4, 6)):
        strip = read_sheet(strip_of(name, 3))
        assert strip.shape[:2] == (28, COUNT * 29)
        for number in (0, COUNT - 1):
            picture = found[layers[name].index].pictures[3, number, :, :, 0]
            row, column = found[layers[name].index].places[3, number]
            top, left = stride * row - before, stride * column - before
            visible = np.zeros((28, 28), bool)
            visible[max(0, top) : top + field, max(0, left) : left + field] = True
            shown = strip[:, 29 * number : 29 * number + 28, 0].astype(int)
            np.testing.assert_allclose(shown[visible], np.maximum(picture[visible], 40), atol=2)
            np.testing.assert_allclose(shown[~visible], 0.3 * picture[~visible], atol=2)
    assert strip_of("h_fc1", 0) is None
    assert strip_of("h_conv2", 3, version=1) is None  # another version has no examples yet


def test_each_version_has_another_file(network, client):
    paths = {path_of(network, network.description(version)) for version in client.versions()}
    assert len(paths) == len(client.versions())


def test_command_writes_a_file_per_version(
    server, client, network, digits, tmp_path, monkeypatch, capsys
):
    pictures = tmp_path / "digits.gz"
    head = struct.pack(">HBB3I", 0, 8, 3, 9, 28, 28)
    pictures.write_bytes(gzip.compress(head + digits[0][::600].tobytes()))
    monkeypatch.setattr(examples, "FOLDER", tmp_path / "found")
    command = ["demo.examples", f"--pictures={pictures}", f"--server={server.target}"]
    monkeypatch.setattr(sys, "argv", command)
    examples.main()
    printed = capsys.readouterr().out.splitlines()
    expected = {
        f"version {version}: {path_of(network, network.description(version))}"
        for version in client.versions()
    }
    assert set(printed) == expected
    for version in client.versions():
        description = network.description(version)
        assert find_strip(network, description, description.layers[1], 31)
    monkeypatch.setattr(sys, "argv", [*command[:1], f"--pictures={tmp_path / 'none'}", command[2]])
    with pytest.raises(SystemExit, match=r"demo\.examples: .*none"):
        examples.main()


def test_pictures_are_read_from_a_folder_or_a_file(digits, tmp_path):
    drawn = digits[0][[3, 1200]]
    idx = tmp_path / "digits-idx3-ubyte"
    idx.write_bytes(struct.pack(">HBB3I", 0, 8, 3, 2, 28, 28) + drawn.tobytes())
    np.testing.assert_array_equal(read_pictures(idx, "drawing"), drawn[..., None])
    coloured = read_pictures(idx, "picture")
    np.testing.assert_array_equal(coloured, np.stack([drawn] * 3, axis=-1))
    folder = tmp_path / "pictures"
    folder.mkdir()
    colours = np.random.default_rng(1).integers(0, 256, (2, 9, 7, 3)).astype(np.uint8)
    for number, pixels in enumerate(colours):
        Image.fromarray(pixels).save(folder / f"{number}.png")
    (folder / "a folder").mkdir()
    np.testing.assert_array_equal(read_pictures(folder, "picture"), colours)
    Image.fromarray(255 - drawn[1]).save(folder / "0.png")
    first, _ = read_pictures(folder, "drawing")
    assert first.shape == (28, 28, 1)
    read, original = (to_mnist_form(ink).numpy() for ink in (first[:, :, 0], drawn[1]))
    assert np.abs(read - original).mean() < 0.05
