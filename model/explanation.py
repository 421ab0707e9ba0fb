"""Why this class: how much each pixel speaks for it, and how much against it.

A pixel's contribution is its ink times the gradient of the class's log odds, averaged over copies
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

COPIES = 16
MIN_INK = 0.3  # of a copy, as a fraction of the image's; the fullest has nearly all


def explain(
    logits_of: Callable[[tf.Tensor], tf.Tensor],
    images: tf.Tensor,
    classes: tf.Tensor,
    *,
    blank: tf.Tensor | float = 0.0,
    cell: int = 1,
    together: int = COPIES,
) -> tf.Tensor:
    """What each pixel contributes to the log odds of a class against all others.

    Args:
        logits_of: the network, [N, height, width, …] -> [N, classes]; of a single class its value
            is explained in place of the odds.
        images: float32 [N, height, width, …].
        classes: int64 [N], of which the contributions are.
        blank: what a pixel is where it is missing, of a shape that fits the images.
        cell: side of the squares of pixels that are missing together.
        together: copies that are computed at once, a divisor of `COPIES`; all need the memory.

    Returns:
        float32 of the images' shape; above 0 speaks for the class, below 0 against it; 0 where a
        pixel is blank.
    """
    height, width, *rest = images.shape[1:]
    masks = _masks(-(-height // cell), -(-width // cell))
    masks = masks.reshape(-1, together, 1, *masks.shape[1:], *[1] * len(rest))
    chosen = tf.tile(classes, [together])

    def gradients_of(masks: tf.Tensor) -> tf.Tensor:
        """Their sum over some copies, [N, height, width, …]."""
        if cell > 1:
            masks = tf.repeat(tf.repeat(masks, cell, axis=2), cell, axis=3)
            masks = masks[:, :, :height, :width]
        copies = blank + (images - blank) * masks  # [together, N, height, width, …]
        flat = tf.reshape(copies, [-1, height, width, *rest])
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(flat)
            odds = _odds(logits_of(flat), chosen)
        gradients = tf.reshape(tape.gradient(odds, flat), tf.shape(copies))
        return tf.reduce_sum(gradients, axis=0)

    if len(masks) == 1:
        summed = gradients_of(tf.constant(masks[0]))
    else:
        form = tf.TensorSpec(images.shape, images.dtype)
        sums = tf.map_fn(
            gradients_of, tf.constant(masks), fn_output_signature=form, parallel_iterations=1
        )
        summed = tf.reduce_sum(sums, axis=0)
    return (images - blank) * summed / COPIES


def _odds(logits: tf.Tensor, classes: tf.Tensor) -> tf.Tensor:
    """The log odds of a class against all others, [N]."""
    if logits.shape[1] == 1:
        return logits[:, 0]
    chosen = tf.one_hot(classes, logits.shape[1], on_value=True, off_value=False)
    own = tf.reduce_sum(tf.where(chosen, logits, 0.0), axis=1)
    return own - tf.reduce_logsumexp(tf.where(chosen, logits.dtype.min, logits), axis=1)


def _masks(rows: int, columns: int) -> np.ndarray:
    """What each copy keeps: float32 [COPIES, rows, columns] of 0 and 1."""
    kept = MIN_INK + (1 - MIN_INK) * (np.arange(COPIES) + 0.5) / COPIES
    drawn = np.random.default_rng(0).uniform(size=(COPIES, rows, columns))
    return (drawn < kept[:, None, None]).astype(np.float32)
