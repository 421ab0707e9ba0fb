"""How much each pixel supports or contradicts a class.

A pixel's contribution is its ink times the gradient of the class's log odds, averaged over copies
of the image in which random parts of the ink are masked. A plain gradient varies one pixel while
all others stay; the copies vary it in random company, as the Shapley value of a game does with a
player. All images get the same masks, so that a drawing always gets the same explanation.

Source: Owen, "Multilinear extensions of games", 1972, for averaging gradients over random
coalitions; Erion et al., "Improving performance of deep learning models with axiomatic attribution
priors and expected gradients", 2021, for networks.
"""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

COPIES = 16
MIN_INK = 0.3  # fraction of the ink that the emptiest copy keeps; the fullest keeps nearly all


def explain(
    logits_of: Callable[[tf.Tensor], tf.Tensor],
    images: tf.Tensor,
    classes: tf.Tensor,
    *,
    blank: tf.Tensor | float = 0.0,
    cell: int = 1,
    copies_at_once: int = COPIES,
) -> tf.Tensor:
    """Returns the contribution of each pixel to the log odds of a class against all others.

    Args:
        logits_of: the network, [N, height, width, …] -> [N, classes]. With a single class, its
            value is explained instead of the odds.
        images: float32 [N, height, width, …].
        classes: int64 [N], the class to explain for each image.
        blank: value of a masked pixel; its shape must broadcast to the images'.
        cell: side in pixels of the squares that are masked together.
        copies_at_once: copies computed in one batch, a divisor of `COPIES`; more need more memory.

    Returns:
        float32 of the images' shape: positive supports the class, negative contradicts it; 0 where
        a pixel is blank.
    """
    height, width, *rest = images.shape[1:]
    masks = _masks(-(-height // cell), -(-width // cell))
    masks = masks.reshape(-1, copies_at_once, 1, *masks.shape[1:], *[1] * len(rest))
    tiled_classes = tf.tile(classes, [copies_at_once])

    def sum_gradients(masks: tf.Tensor) -> tf.Tensor:
        """Returns the sum over some copies, [N, height, width, …]."""
        if cell > 1:
            masks = tf.repeat(tf.repeat(masks, cell, axis=2), cell, axis=3)
            masks = masks[:, :, :height, :width]
        copies = blank + (images - blank) * masks  # [copies_at_once, N, height, width, …]
        flat = tf.reshape(copies, [-1, height, width, *rest])
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(flat)
            odds = _log_odds(logits_of(flat), tiled_classes)
        gradients = tf.reshape(tape.gradient(odds, flat), tf.shape(copies))
        return tf.reduce_sum(gradients, axis=0)

    if len(masks) == 1:
        total = sum_gradients(tf.constant(masks[0]))
    else:
        spec = tf.TensorSpec(images.shape, images.dtype)
        sums = tf.map_fn(
            sum_gradients, tf.constant(masks), fn_output_signature=spec, parallel_iterations=1
        )
        total = tf.reduce_sum(sums, axis=0)
    return (images - blank) * total / COPIES


def _log_odds(logits: tf.Tensor, classes: tf.Tensor) -> tf.Tensor:
    """Returns the log odds of a class against all others, [N]."""
    if logits.shape[1] == 1:
        return logits[:, 0]
    is_class = tf.one_hot(classes, logits.shape[1], on_value=True, off_value=False)
    logit = tf.reduce_sum(tf.where(is_class, logits, 0.0), axis=1)
    return logit - tf.reduce_logsumexp(tf.where(is_class, logits.dtype.min, logits), axis=1)


def _masks(rows: int, columns: int) -> np.ndarray:
    """Returns float32 [COPIES, rows, columns]: 1 where a copy keeps its ink, else 0."""
    kept = MIN_INK + (1 - MIN_INK) * (np.arange(COPIES) + 0.5) / COPIES
    random = np.random.default_rng(0).uniform(size=(COPIES, rows, columns))
    return (random < kept[:, None, None]).astype(np.float32)
