"""The signatures `explain` and `weights` over gRPC, and the faithfulness of explanations."""

import numpy as np
import pytest
from PIL import Image

from serving.client import RequestRefused
from tests.bench.faithfulness import measure_faithfulness


@pytest.fixture
def explain(client):
    def explain(drawings: np.ndarray, digits: list[int]) -> dict[str, np.ndarray]:
        return client.predict(
            "explain", {"drawings": drawings, "digits": np.array(digits, np.int64)}
        )

    return explain


def test_explanation_is_faithful(client, digits):
    """Removing the most important ink lowers the score faster than by gradients or at random."""
    scores = measure_faithfulness(client, digits[0][::10])
    explained, gradients, chance = (
        scores[name] for name in ("explain", "gradients", "chance")
    )  # each [6], with more and more ink removed
    assert (explained < gradients).all()
    assert (gradients < chance).all()
    assert explained.mean() < 0.75 * gradients.mean()


def test_only_ink_contributes_and_the_prediction_is_the_default(explain, client, digits):
    drawings = digits[0][[600, 4100]]
    answer = explain(drawings, [-1, 3])
    images = client.predict("sketch", {"drawings": drawings})["images"]
    assert answer["digits"].tolist() == [1, 3]
    assert not answer["contributions"][images == 0].any()
    np.testing.assert_array_equal(
        answer["contributions"], explain(drawings, [1, 3])["contributions"]
    )
    assert answer["contributions"][0].sum() > 0 > answer["contributions"][1].sum()


def test_contributions_add_up_to_the_loss_of_log_odds(explain, client, digits):
    """Their sum is roughly the log odds with the ink minus the log odds without.

    The copies have two thirds of the ink on average, so the two are not equal.
    """
    drawings = digits[0][::250]
    answer = explain(drawings, [-1] * len(drawings))
    images = client.predict("sketch", {"drawings": drawings})["images"]

    def odds(images: np.ndarray) -> np.ndarray:
        logits = client.predict("serving_default", {"images": images})["logits"].astype(float)
        own = np.take_along_axis(logits, answer["digits"][:, None], axis=1)[:, 0]
        np.put_along_axis(logits, answer["digits"][:, None], -np.inf, axis=1)
        return own - np.log(np.exp(logits).sum(axis=1))

    lost = odds(images) - odds(np.zeros_like(images))
    summed = answer["contributions"].sum(axis=(1, 2))
    assert np.corrcoef(lost, summed)[0, 1] > 0.3
    assert 0.5 < (summed / lost).mean() < 2


def test_field_is_the_part_of_the_drawing_that_the_image_shows(explain, digits):
    """The field of an enlarged and moved MNIST digit is the digit's own picture."""
    digit = digits[0][2050]
    large = np.asarray(Image.fromarray(digit).resize((112, 112), Image.Resampling.NEAREST))
    drawing = np.zeros((1, 200, 170), np.uint8)
    drawing[0, 60:172, 30:142] = large
    top, left, side = explain(drawing, [-1])["fields"][0]
    assert side == pytest.approx(112, abs=0.5)
    assert (top, left) == pytest.approx((60, 30), abs=4.1)  # whole pixels of the 28


def test_empty_drawing_has_no_contributions(explain):
    answer = explain(np.zeros((1, 40, 40), np.uint8), [7])
    assert not answer["contributions"].any()
    assert np.isfinite(answer["fields"]).all()
    empty = explain(np.zeros((0, 9, 9), np.uint8), [])
    assert {name: array.shape for name, array in empty.items()} == {
        "contributions": (0, 28, 28),
        "digits": (0,),
        "fields": (0, 3),
    }


@pytest.mark.parametrize(
    ("count", "chosen", "sentence"),
    [
        (2, [1], "one for each drawing"),
        (1, [10], "0 to 9, or -1"),
        (1, [-2], "0 to 9, or -1"),
        (65, [1] * 65, "drawings: at most 64"),
    ],
)
def test_invalid_input_is_rejected_with_a_sentence(explain, count, chosen, sentence):
    with pytest.raises(RequestRefused, match=f"(?s)INVALID_ARGUMENT.*{sentence}"):
        explain(np.zeros((count, 3, 3), np.uint8), chosen)


@pytest.mark.parametrize(
    ("units", "sentence"),
    [
        ([1024], "0 to 1,023"),
        ([-1], "0 to 1,023"),
        ([3] * 65, "at most 64"),
        ([[1]], "not compatible"),
    ],
)
def test_unknown_units_are_rejected_with_a_sentence(client, units, sentence):
    with pytest.raises(RequestRefused, match=f"(?s)INVALID_ARGUMENT.*{sentence}"):
        client.predict("weights", {"units": np.array(units, np.int32)})
