"""Probabilities that mean what they say: of all readings that are 90% sure, 90% are right.

A network's logits say which digit, but not how surely. One number, the temperature that they are
divided by before the softmax, corrects that and changes no reading. Source: Guo, Pleiss, Sun,
Weinberger, "On calibration of modern neural networks", 2017.
"""

import numpy as np

SURE = 0.9  # a reading with less is "not sure": 7 in 1,000 of MNIST's validation digits
TEMPERATURES = np.geomspace(0.05, 5, 400)
BINS = 15


def softmax(logits: np.ndarray, temperature: float) -> np.ndarray:
    """Probabilities float64 [N, 10] of logits [N, 10]."""
    scaled = logits.astype(np.float64) / temperature
    powers = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def fit_temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """The temperature under which the labels are likeliest.

    Args:
        logits: [N, 10], of digits that the network has not learned from.
        labels: [N].
    """

    def surprise(temperature: float) -> float:
        likely = softmax(logits, temperature)[np.arange(len(labels)), labels]
        return -np.log(np.maximum(likely, 1e-12)).mean()

    return float(min(TEMPERATURES, key=surprise))


def calibration_error(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """The expected calibration error: how far sureness is from accuracy, over bins of sureness.

    Args:
        probabilities: [N, 10].
        labels: [N].

    Returns:
        A fraction of 1; 0 is calibrated.
    """
    sureness = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    bins = np.minimum((sureness * BINS).astype(int), BINS - 1)
    gaps = np.bincount(bins, weights=sureness - right, minlength=BINS)
    return float(np.abs(gaps).sum() / len(labels))
