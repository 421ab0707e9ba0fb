"""Temperature and calibration error against known values."""

import numpy as np
import pytest
from scipy.special import softmax as scipy_softmax

from model.calibration import calibration_error, fit_temperature, softmax


@pytest.fixture
def logits() -> np.ndarray:
    return np.random.default_rng(1).normal(0, 2, (20_000, 10))


@pytest.mark.parametrize("temperature", [0.3, 1.0, 2.5])
def test_fit_temperature_finds_the_temperature_of_the_labels(logits, temperature):
    cumulative = scipy_softmax(logits / temperature, axis=1).cumsum(axis=1)
    labels = (np.random.default_rng(2).random((len(logits), 1)) > cumulative).sum(axis=1).clip(0, 9)
    found = fit_temperature(logits, labels)
    assert found == pytest.approx(temperature, rel=0.05)
    assert calibration_error(softmax(logits, found), labels) < 0.012
    assert calibration_error(softmax(logits, temperature / 3), labels) > 0.03


def test_softmax_divides_by_the_temperature(logits):
    np.testing.assert_allclose(softmax(logits, 0.5), scipy_softmax(2 * logits, axis=1))


def test_calibration_error_of_four_predictions():
    """Three with 0.9, of which two are correct, and a wrong one with 0.4."""
    probabilities = np.full((4, 10), 0.1 / 9)
    probabilities[:, 0] = 0.9
    probabilities[3] = [0.4, *[0.6 / 9] * 9]
    labels = np.array([0, 0, 5, 7])
    expected = 3 / 4 * abs(0.9 - 2 / 3) + 1 / 4 * abs(0.4 - 0)
    assert calibration_error(probabilities, labels) == pytest.approx(expected)
