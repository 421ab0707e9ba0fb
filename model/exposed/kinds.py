"""Kinds of layers, and how to recognise them.

To add a kind, define it here and its arithmetic in `demo/arithmetic.py`.
"""

from collections.abc import Callable
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from model.exposed.geometry import Window, same_pad

# At inference these return their input, perhaps in another shape.
PASS_THROUGH = (
    layers.InputLayer,
    layers.Dropout,
    layers.SpatialDropout1D,
    layers.SpatialDropout2D,
    layers.SpatialDropout3D,
    layers.GaussianDropout,
    layers.GaussianNoise,
    layers.AlphaDropout,
    layers.ActivityRegularization,
    layers.Identity,
    layers.Flatten,
    layers.Reshape,
)
NOT_NEGATIVE = ("relu", "relu6", "sigmoid", "hard_sigmoid", "softmax", "softplus", "exponential")


class Parameters(NamedTuple):
    """Kernel and bias of one map of a layer."""

    kernel: tf.Tensor  # float32, of the kind's shape
    bias: tf.Tensor  # float32 []


class Kind(NamedTuple):
    """One kind of layer.

    Args:
        name: in descriptions.
        classes: the Keras classes of the kind.
        parameters: returns those of one map, by its number int32 []; None if there are none.
        kernel_rank: number of dimensions of the kernel of one map.
        is_windowed: whether a unit depends on a window of its input.
        is_pointwise: whether a unit depends only on units at the same position.
    """

    name: str
    classes: tuple[type, ...]
    parameters: Callable[[keras.Layer, tf.Tensor], Parameters] | None = None
    kernel_rank: int = 0
    is_windowed: bool = False
    is_pointwise: bool = False

    def kernel_shape(self, layer: keras.Operation | None) -> tuple[int, ...]:
        """Returns the shape of the kernel of one map."""
        return tuple(layer.kernel.shape[: self.kernel_rank]) if self.kernel_rank else ()


def _bias(layer: keras.Layer, map: tf.Tensor) -> tf.Tensor:
    bias = getattr(layer, "bias", None)
    return tf.constant(0.0) if bias is None else _float(bias)[map]


def _of_convolution(layer: keras.Layer, map: tf.Tensor) -> Parameters:
    """Returns a kernel [height, width, input maps of the group]."""
    return Parameters(_float(layer.kernel)[..., map], _bias(layer, map))


def _of_depthwise(layer: keras.Layer, map: tf.Tensor) -> Parameters:
    """Returns a kernel [height, width]."""
    kernel = _float(layer.kernel)  # [height, width, inputs, multiplier]
    multiplier = kernel.shape[-1]
    return Parameters(kernel[:, :, map // multiplier, map % multiplier], _bias(layer, map))


def _of_dense(layer: keras.Layer, map: tf.Tensor) -> Parameters:
    """Returns a kernel [inputs]."""
    return Parameters(_float(layer.kernel)[:, map], _bias(layer, map))


def _of_batch_normalisation(layer: keras.Layer, map: tf.Tensor) -> Parameters:
    """Returns the factor of a unit as kernel [] and the summand as bias, by the moving averages."""
    scale = tf.math.rsqrt(_float(layer.moving_variance)[map] + layer.epsilon)
    if layer.gamma is not None:
        scale *= _float(layer.gamma)[map]
    shift = -_float(layer.moving_mean)[map] * scale
    if layer.beta is not None:
        shift += _float(layer.beta)[map]
    return Parameters(scale, shift)


def _float(variable: keras.Variable) -> tf.Tensor:
    return tf.cast(tf.convert_to_tensor(variable), tf.float32)


OTHER = Kind("other", ())
KINDS = (
    Kind("depthwise", (layers.DepthwiseConv2D,), _of_depthwise, 2, is_windowed=True),
    Kind("convolution", (layers.Conv2D,), _of_convolution, 3, is_windowed=True),
    Kind("dense", (layers.Dense,), _of_dense, 1),
    Kind("max pooling", (layers.MaxPooling2D,), is_windowed=True),
    Kind("average pooling", (layers.AveragePooling2D,), is_windowed=True),
    Kind("global average pooling", (layers.GlobalAveragePooling2D,)),
    Kind("global max pooling", (layers.GlobalMaxPooling2D,)),
    Kind(
        "batch normalisation",
        (layers.BatchNormalization,),
        _of_batch_normalisation,
        is_pointwise=True,
    ),
    Kind(
        "activation",
        (layers.Activation, layers.ReLU, layers.LeakyReLU, layers.ELU, layers.Softmax),
        is_pointwise=True,
    ),
    Kind("addition", (layers.Add,), is_pointwise=True),
    Kind("concatenation", (layers.Concatenate,), is_pointwise=True),
    Kind("multiplication", (layers.Multiply,), is_pointwise=True),
    Kind("rescaling", (layers.Rescaling, layers.Normalization), is_pointwise=True),
    Kind("padding", (layers.ZeroPadding2D,)),
)

# If a layer of these kinds has an `axis`, it must be that of the maps; otherwise it is `OTHER`.
ALONG_MAPS = ("batch normalisation", "activation", "concatenation")

# In a functional model, `a + b` is not a layer, but an operation of one of these classes.
OPERATIONS = {"Add": "addition", "Concatenate": "concatenation", "Multiply": "multiplication"}


def kind_of(layer: keras.Operation, rank: int) -> Kind:
    """Returns the kind of a layer whose output has a rank; `OTHER` if unknown."""
    is_transposed = isinstance(layer, layers.Conv2DTranspose | layers.SeparableConv2D)
    if is_transposed or getattr(layer, "data_format", None) == "channels_first":
        return OTHER
    if isinstance(layer, keras.Layer):
        kind = next((kind for kind in KINDS if isinstance(layer, kind.classes)), OTHER)
    else:
        name = OPERATIONS.get(type(layer).__name__)
        kind = next((kind for kind in KINDS if kind.name == name), OTHER)
    is_along_maps = getattr(layer, "axis", -1) in (-1, rank - 1)
    return kind if is_along_maps or kind.name not in ALONG_MAPS else OTHER


def activation_of(layer: keras.Operation) -> str:
    """Returns the name of the function that a layer ends with, `linear` if there is none."""
    if isinstance(layer, layers.ReLU):
        is_plain = layer.max_value is None and not layer.negative_slope and not layer.threshold
        return "relu" if is_plain else "relu6" if _is_relu6(layer) else "other"
    if isinstance(layer, layers.Softmax):
        return "softmax"
    if isinstance(layer, layers.LeakyReLU | layers.ELU | layers.PReLU):
        return "other"
    function = getattr(layer, "activation", None)
    if function is None:
        return "linear"
    return getattr(function, "__name__", None) or getattr(function, "name", "other")


def _is_relu6(layer: layers.ReLU) -> bool:
    return layer.max_value == 6 and not layer.negative_slope and not layer.threshold


def windows_of(layer: keras.Operation, size: tuple[int, int]) -> tuple[Window, Window]:
    """Returns a layer's windows along rows and columns on an input [height, width]."""
    kernel = getattr(layer, "kernel_size", None) or layer.pool_size
    dilation = getattr(layer, "dilation_rate", (1, 1))
    stride, dilation = _pair(layer.strides), _pair(dilation)
    spans = [(k - 1) * d + 1 for k, d in zip(_pair(kernel), dilation, strict=True)]
    pads = [0, 0]
    if layer.padding == "same":
        pads = [same_pad(*axis) for axis in zip(size, spans, stride, strict=True)]
    rows, columns = (Window(*axis) for axis in zip(spans, stride, pads, strict=True))
    return rows, columns


def _pair(value: int | tuple[int, int]) -> tuple[int, int]:
    return tuple(int(v) for v in np.broadcast_to(value, 2))
