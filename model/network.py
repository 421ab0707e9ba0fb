"""The network of the tutorial "Deep MNIST for Experts".

Two 5x5 convolutions with ReLU, each followed by 2x2 max-pooling, a dense layer of 1024 units with
ReLU and dropout, and ten logits: 3,274,634 parameters. The architecture is exactly the tutorial's,
so that results can be compared; the training is not.

Source: TensorFlow's tutorial "Deep MNIST for Experts" (TensorFlow 1.x documentation).
"""

import keras

SIDE = 28  # pixels
CLASSES = 10
DENSE_UNITS = 1024


def build_network(dropout: float = 0.5) -> keras.Model:
    """Builds the trainable network.

    Args:
        dropout: fraction of `h_fc1` that is dropped in training.

    Returns:
        A Keras model from `images` float32 [N, 28, 28] (0 = paper, 1 = ink) to logits
        float32 [N, 10], with the hidden layers `h_conv1`, `h_pool1`, `h_conv2`,
        `h_pool2` and `h_fc1`.
    """
    images = keras.Input((SIDE, SIDE), name="images")
    x = keras.layers.Reshape((SIDE, SIDE, 1))(images)  # [N, 28, 28, 1]
    x = keras.layers.Conv2D(32, 5, padding="same", activation="relu", name="h_conv1")(x)
    x = keras.layers.MaxPool2D(2, name="h_pool1")(x)  # [N, 14, 14, 32]
    x = keras.layers.Conv2D(64, 5, padding="same", activation="relu", name="h_conv2")(x)
    x = keras.layers.MaxPool2D(2, name="h_pool2")(x)  # [N, 7, 7, 64]
    x = keras.layers.Flatten()(x)  # [N, 3136]
    x = keras.layers.Dense(DENSE_UNITS, activation="relu", name="h_fc1")(x)
    x = keras.layers.Dropout(dropout)(x)
    logits = keras.layers.Dense(CLASSES, name="logits")(x)
    return keras.Model(images, logits, name="deep_mnist")
