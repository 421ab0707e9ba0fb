"""Why this digit: how much each pixel of ink speaks for a digit, and how much against it.

A pixel's contribution is its ink times the gradient of the digit's log odds, averaged over copies
of the image from which random parts of the ink are missing. Plain gradients ask what one pixel
does while all others stay; the copies ask what it does in whatever company, as the Shapley value
of a game asks of a player. The copies are the same for all images, so that one drawing always gets
one answer.

Source: Owen, "Multilinear extensions of games", 1972, for the average of gradients along random
coalitions; Erion et al., "Improving performance of deep learning models with axiomatic attribution
priors and expected gradients", 2021, for networks.
"""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from model.network import CLASSES, SIDE

COPIES = 16
LEAST_INK = 0.3  # of a copy, as a fraction of the image's; the fullest has nearly all


def explain(
    logits_of: Callable[[tf.Tensor], tf.Tensor], images: tf.Tensor, digits: tf.Tensor
) -> tf.Tensor:
    """What each pixel contributes to the log odds of a digit against all others.

    Args:
        logits_of: the network, [N, 28, 28] -> [N, 10].
        images: float32 [N, 28, 28], 0 = paper, 1 = ink.
        digits: int64 [N], 0 to 9, of which the contributions are.

    Returns:
        float32 [N, 28, 28]; above 0 speaks for the digit, below 0 against it; 0 without ink.
    """
    copies = images[None] * _masks()[:, None]  # [COPIES, N, 28, 28]
    flat = tf.reshape(copies, [-1, SIDE, SIDE])
    chosen = tf.one_hot(tf.tile(digits, [COPIES]), CLASSES, on_value=True, off_value=False)
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(flat)
        logits = logits_of(flat)  # [COPIES * N, 10]
        own = tf.reduce_sum(tf.where(chosen, logits, 0.0), axis=1)
        others = tf.reduce_logsumexp(tf.where(chosen, logits.dtype.min, logits), axis=1)
        odds = own - others
    gradients = tf.reshape(tape.gradient(odds, flat), tf.shape(copies))
    return images * tf.reduce_mean(gradients, axis=0)


def _masks() -> np.ndarray:
    """Which ink each copy keeps: float32 [COPIES, 28, 28] of 0 and 1."""
    inked = LEAST_INK + (1 - LEAST_INK) * (np.arange(COPIES) + 0.5) / COPIES
    drawn = np.random.default_rng(0).uniform(size=(COPIES, SIDE, SIDE))
    return (drawn < inked[:, None, None]).astype(np.float32)
