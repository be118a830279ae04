"""NASNet: two kinds of cells that a search found, each made of what the last two cells gave."""

from __future__ import annotations

import inspect
from functools import partial
from typing import Any, Protocol

from kgraph.keras import layers
from kgraph.keras.applications.assembly import Application, Architecture, application, presented_as
from kgraph.keras.applications.blocks import beside, conv, halving_pad, norm, relu
from kgraph.keras.applications.heads import averaging
from kgraph.keras.applications.imagenet_utils import decode_predictions, preprocessing
from kgraph.keras.applications.images import Sizes, channels_of, spatial
from kgraph.keras.applications.weights import CLASSES, IMAGENET
from kgraph.keras.models.model import Model
from kgraph.keras.tensor import Tensor

__all__ = ["NASNetLarge", "NASNetMobile", "decode_predictions", "preprocess_input"]

preprocess_input = preprocessing("tf")

normalized = partial(norm, epsilon=1e-3, momentum=0.9997)
convolved = partial(conv, padding="same", kernel_initializer="he_normal")


class ShapeFirst(Protocol):
    """An `Application` whose first argument is the shape, as Keras has these."""

    __name__: str

    def __call__(
        self,
        input_shape: Any = None,
        include_top: bool = True,
        weights: Any = IMAGENET,
        input_tensor: Any = None,
        pooling: str | None = None,
        classes: int = CLASSES,
        classifier_activation: Any = "softmax",
        name: str | None = ...,
    ) -> Model: ...


def shape_first(usual: Application) -> ShapeFirst:
    """A decorator that moves `input_shape` to the front."""

    def make(
        input_shape: Any = None,
        include_top: bool = True,
        weights: Any = IMAGENET,
        input_tensor: Any = None,
        pooling: str | None = None,
        classes: int = CLASSES,
        classifier_activation: Any = "softmax",
        name: str | None = inspect.signature(usual).parameters["name"].default,
    ) -> Model:
        return usual(
            include_top, weights, input_tensor, input_shape, pooling, classes, classifier_activation, name
        )

    return presented_as(usual, make)


@shape_first
@application(Architecture("nasnet_mobile", Sizes(fixed=True), averaging))
def NASNetMobile(x: Tensor) -> Tensor:
    """Zoph, Vasudevan, Shlens and Le, "Learning transferable architectures", 2017; the small one."""
    return cells(opening(x, 32), 44, 4, skips=False)


@shape_first
@application(Architecture("nasnet_large", Sizes((331,), fixed=True), averaging))
def NASNetLarge(x: Tensor) -> Tensor:
    """Zoph, Vasudevan, Shlens and Le, "Learning transferable architectures", 2017; the large one."""
    return cells(opening(x, 96), 168, 6, skips=True)


def opening(x: Tensor, filters: int) -> Tensor:
    """The one plain convolution."""
    x = conv(x, filters, 3, "stem_conv1", strides=2, kernel_initializer="he_normal")
    return normalized(x, "stem_bn1")


def cells(x: Tensor, filters: int, repeats: int, skips: bool) -> Tensor:
    """Two cells that halve, then three rows of `repeats` cells that do not, with one that does in between.

    `filters` are those of the first row; each further one has twice as many. What a row starts from beside `x` is what
    came before the cell that halves, or, where that `skips`, before the one before it.
    """
    x, before = halving_cell(x, x, filters // 4, "stem_1"), x
    x, before = halving_cell(x, before, filters // 2, "stem_2"), x
    for row in range(3):
        width = filters * 2**row
        if row:
            halved = halving_cell(x, before, width, f"reduce_{row * repeats}")
            x, before = halved, before if skips else x
        for i in range(repeats):
            x, before = plain_cell(x, before, width, str(row * repeats + i + (row > 0))), x
    return relu(x)


def plain_cell(x: Tensor, before: Tensor, filters: int, name: str) -> Tensor:
    """Five sums of two branches each, and what came before, side by side."""
    p = fitted(before, x, filters, name)
    h = normalized(convolved(relu(x), filters, 1, f"normal_conv_1_{name}"), f"normal_bn_1_{name}")

    def separated(x: Tensor, size: int, branch: str) -> Tensor:
        return separable(x, filters, size, f"normal_{branch}_{name}")

    def average(x: Tensor, branch: str) -> Tensor:
        return pooled(layers.AveragePooling2D, x, f"normal_{branch}_{name}", strides=1, padding="same")

    sums = (
        (separated(h, 5, "left1"), separated(p, 3, "right1")),
        (separated(p, 5, "left2"), separated(p, 3, "right2")),
        (average(h, "left3"), p),
        (average(p, "left4"), average(p, "right4")),
        (separated(h, 3, "left5"), h),
    )
    parts = [layers.Add(name=f"normal_add_{i}_{name}")(list(pair)) for i, pair in enumerate(sums, 1)]
    return beside([p, *parts], f"normal_concat_{name}")


def halving_cell(x: Tensor, before: Tensor, filters: int, name: str) -> Tensor:
    """Sums of branches that halve rows and columns, side by side."""
    p = fitted(before, x, filters, name)
    h = normalized(convolved(relu(x), filters, 1, f"reduction_conv_1_{name}"), f"reduction_bn_1_{name}")
    padded = layers.ZeroPadding2D(halving_pad(h, 3), name=f"reduction_pad_1_{name}")(h)

    def halved(x: Tensor, size: int, branch: str) -> Tensor:
        return separable(x, filters, size, f"reduction_{branch}_{name}", strides=2)

    def pool(kind: Any, branch: str) -> Tensor:
        return pooled(kind, padded, f"reduction_{branch}_{name}", strides=2)

    def add(label: str | None, *pair: Tensor) -> Tensor:
        return layers.Add(name=label and f"reduction_{label}_{name}")(list(pair))

    x1 = add("add_1", halved(h, 5, "left1"), halved(p, 7, "right1"))
    x2 = add("add_2", pool(layers.MaxPooling2D, "left2"), halved(p, 7, "right2"))
    x3 = add("add3", pool(layers.AveragePooling2D, "left3"), halved(p, 5, "right3"))
    mean = pooled(layers.AveragePooling2D, x1, f"reduction_left4_{name}", strides=1, padding="same")
    x4 = add(None, x2, mean)
    again = separable(x1, filters, 3, f"reduction_left4_{name}")
    x5 = add("add4", again, pool(layers.MaxPooling2D, "right5"))
    return beside([x2, x3, x4, x5], f"reduction_concat_{name}")


def pooled(kind: Any, x: Tensor, name: str, **options: Any) -> Tensor:
    """A pooling of 3 × 3 windows."""
    return kind(3, name=name, **options)(x)


def separable(x: Tensor, filters: int, size: int, name: str, strides: int = 1) -> Tensor:
    """Two separable convolutions, each after an activation; strides are those of the first."""
    for i in (1, 2):
        x, padding = relu(x), "same"
        if strides > 1:
            x = layers.ZeroPadding2D(halving_pad(x, size), name=f"separable_conv_{i}_pad_{name}")(x)
            padding = "valid"
        convolution = layers.SeparableConv2D(
            filters, size, strides=strides, padding=padding, use_bias=False, name=f"separable_conv_{i}_{name}"
        )
        x, strides = normalized(convolution(x), f"separable_conv_{i}_bn_{name}"), 1
    return x


def fitted(before: Tensor, x: Tensor, filters: int, name: str) -> Tensor:
    """What came before with the rows and columns of x and as many channels as the cell has filters."""
    if before is x:
        return before
    if spatial(before.shape) != spatial(x.shape):
        y = relu(before, f"adjust_relu_1_{name}")
        # Every second position, and beside them those one further down and to the right.
        shifted = layers.Cropping2D(((1, 0), (1, 0)))(layers.ZeroPadding2D(((0, 1), (0, 1)))(y))
        halves = [
            convolved(
                layers.AveragePooling2D(1, strides=2, name=f"adjust_avg_pool_{i}_{name}")(half),
                filters // 2,
                1,
                f"adjust_conv_{i}_{name}",
            )
            for i, half in enumerate((y, shifted), 1)
        ]
        return normalized(beside(halves), f"adjust_bn_{name}")
    if channels_of(before) != filters:
        y = convolved(relu(before), filters, 1, f"adjust_conv_projection_{name}")
        return normalized(y, f"adjust_bn_{name}")
    return before
