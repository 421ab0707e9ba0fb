"""Calibrated probabilities: 90% of the predictions with probability 0.9 are correct.

Before the softmax, the logits are divided by one number, the temperature. It changes the
probabilities, but no prediction. Source: Guo, Pleiss, Sun, Weinberger, "On calibration of modern
neural networks", 2017.
"""

import numpy as np
import scipy.special
from scipy.optimize import minimize_scalar

CONFIDENCE_THRESHOLD = 0.9  # below it the page says "not sure": 7 in 1,000 validation digits
TEMPERATURES = (0.05, 5.0)  # lowest and highest
BINS = 15


def softmax(logits: np.ndarray, temperature: float) -> np.ndarray:
    """Returns probabilities float64 [N, 10] of logits [N, 10]."""
    return scipy.special.softmax(logits.astype(np.float64) / temperature, axis=1)


def fit_temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """Returns the temperature with the lowest cross-entropy.

    Args:
        logits: [N, 10], of digits that the network was not trained on.
        labels: [N].
    """

    def cross_entropy(log_temperature: float) -> float:
        scaled = logits.astype(np.float64) / np.exp(log_temperature)
        return -scipy.special.log_softmax(scaled, axis=1)[np.arange(len(labels)), labels].mean()

    found = minimize_scalar(cross_entropy, bounds=np.log(TEMPERATURES))
    return float(np.exp(found.x))


def calibration_error(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Returns the expected calibration error: the gap between confidence and accuracy over bins.

    Args:
        probabilities: [N, 10].
        labels: [N].

    Returns:
        0 (calibrated) to 1.
    """
    confidence = probabilities.max(axis=1)
    correct = probabilities.argmax(axis=1) == labels
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    gaps = np.bincount(bins, weights=confidence - correct, minlength=BINS)
    return float(np.abs(gaps).sum() / len(labels))
