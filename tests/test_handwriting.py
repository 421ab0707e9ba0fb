"""The generated handwriting that training adds to MNIST."""

import numpy as np
import pytest
from PIL import Image, ImageDraw
from sklearn.neighbors import KNeighborsClassifier

from model.handwriting import NO_DIGIT, ink, write_digits, write_scribbles, write_signs
from model.handwriting.glyphs import STEPS, read_glyphs
from model.handwriting.pen import POINTS, write


def find(kind: str, name: str):
    (glyph,) = [glyph for glyph in read_glyphs() if (glyph.kind, glyph.name) == (kind, name)]
    return glyph


def test_each_digit_has_several_variants():
    kinds = [glyph.kind for glyph in read_glyphs()]
    assert min(kinds.count(str(digit)) for digit in range(10)) >= 5
    assert len({(glyph.kind, glyph.name) for glyph in read_glyphs()}) == len(kinds)
    names = {kind: {g.name for g in read_glyphs() if g.kind == kind} for kind in ("train", "test")}
    assert not names["train"] & names["test"]


def test_the_pen_passes_through_the_control_points():
    glyph = find("0", "oval")
    points = (glyph.curve @ glyph.control)[::STEPS]
    np.testing.assert_allclose(points, glyph.control[: len(points)], atol=1e-6)


def test_the_pen_turns_sharply_and_is_lifted_as_the_glyph_specifies():
    glyph = find("7", "barred")  # 0,0 6,0 | 2,10 / 1.5,5 5.8,5
    assert len(glyph.strokes) == 2
    down, bar = (glyph.curve[stroke] @ glyph.control for stroke in glyph.strokes)
    np.testing.assert_allclose(down[: STEPS + 1, 1], 0, atol=1e-9)  # straight to the corner
    np.testing.assert_allclose(down[STEPS + 1 :, 1] * -0.4 + 6, down[STEPS + 1 :, 0], atol=1e-6)
    np.testing.assert_allclose(bar[[0, -1]], [[1.5, 5], [5.8, 5]], atol=1e-6)


@pytest.mark.parametrize("joined", [True, False])
def test_coarse_device_reports_evenly_spaced_points(joined):
    glyph = find("7", "barred")
    matrix, writes = glyph.sample(8, joined)
    assert matrix.shape == (8, len(glyph.control))
    points = matrix @ glyph.control
    np.testing.assert_allclose(points[[0, -1]], glyph.control[[0, -1]], atol=1e-6)
    assert writes.tolist().count(False) == (0 if joined else 1)
    steps = np.linalg.norm(np.diff(points, axis=0), axis=1)
    assert steps[writes].max() < (4.2 if joined else 4.5)


def test_variants_of_a_glyph_differ():
    trajectories = write(find("2", "corner"), 50, np.random.default_rng(1))
    assert trajectories.points.shape == (50, POINTS, 2)
    assert len({points.tobytes() for points in trajectories.points}) == 50


def test_ink_equals_a_line_drawn_by_pillow():
    """Pillow's is sixteen times as large and then averaged."""
    points = np.float32([[[5, 6], [20, 9], [9, 22], [22, 23]]])
    writes = np.array([[True, True, False]])
    inked = ink._ink(points, writes, np.float32([3]), False).numpy()[0]
    large = Image.new("L", (448, 448))
    pen = ImageDraw.Draw(large)
    for start, end in zip(points[0, :2], points[0, 1:3], strict=True):
        pen.line([*(16 * start), *(16 * end)], fill=255, width=48)
    for x, y in 16 * points[0, :3]:
        pen.ellipse([x - 24, y - 24, x + 24, y + 24], fill=255)
    expected = np.asarray(large, float).reshape(28, 16, 28, 16).mean(axis=(1, 3)) / 255
    assert np.abs(inked - expected).max() < 0.2
    assert abs(inked.sum() / expected.sum() - 1) < 0.02


@pytest.mark.parametrize("style", [*ink.STYLES, "nib"])
def test_generated_digits_are_in_mnists_form(style):
    images, labels = write_digits(200, [style], np.random.default_rng(2))
    assert images.dtype == np.uint8
    assert images.shape == (200, 28, 28)
    assert sorted(set(labels.tolist())) == list(range(10))
    assert (images.max(axis=(1, 2)) == 255).all()
    mass = images.sum(axis=(1, 2), dtype=float)
    for axis in (1, 2):
        centre = (images.sum(axis=3 - axis) * np.arange(28)).sum(axis=1) / mass
        assert np.abs(centre - 14).max() < 1.6
    rows, columns = ((images > 40).any(axis=axis).sum(axis=1) for axis in (2, 1))
    longer = np.maximum(rows, columns)
    assert np.percentile(longer, [5, 95]) == pytest.approx([20, 20], abs=2.5)


def test_labels_of_generated_digits_agree_with_real_ones(digits):
    """Nearest neighbours among real digits confirm most labels."""
    images, labels = digits
    classifier = KNeighborsClassifier(3).fit(images.reshape(-1, 784) / 255, labels)
    for style in ink.STYLES:
        generated, targets = write_digits(1000, [style], np.random.default_rng(3))
        predictions = classifier.predict(generated.reshape(-1, 784) / 255)
        accuracies = [float((predictions[targets == digit] == digit).mean()) for digit in range(10)]
        print(style, accuracies)
        assert min(accuracies) > 0.35
        assert np.mean(accuracies) > 0.6


def test_rescanning_keeps_the_digit(digits):
    images, labels = digits[0][::10], digits[1][::10]
    scans = ink.rescan(images, np.random.default_rng(4))
    classifier = KNeighborsClassifier(3).fit(digits[0].reshape(-1, 784) / 255, digits[1])
    assert (classifier.predict(scans.reshape(-1, 784) / 255) == labels).mean() > 0.85
    assert (scans != images).any(axis=(1, 2)).all()


def test_non_digits_are_labelled_as_such():
    random = np.random.default_rng(5)
    for images, labels in (
        write_signs(60, "train", ink.STYLES, random),
        write_signs(60, "test", ink.STYLES, random),
        write_scribbles(60, ink.STYLES, random),
    ):
        assert labels.tolist() == [NO_DIGIT] * 60
        assert len({image.tobytes() for image in images}) > 50
    assert not images[:3].any()  # some scribbles are blank


def test_same_seed_gives_the_same_images():
    first, second, other = (
        write_digits(50, ink.STYLES, np.random.default_rng(seed))[0] for seed in (6, 6, 7)
    )
    np.testing.assert_array_equal(first, second)
    assert (first != other).any()
