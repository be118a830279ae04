"""Layers that make one tensor of several, and their functional forms: Add and add, Concatenate and concatenate, …"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any, NoReturn

from kgraph.errors import ArgumentTypeError, ShapeError, describe
from kgraph.ir.dims import Dim
from kgraph.ir.graph import Value
from kgraph.ir.types import broadcast_shapes, normalize_axis
from kgraph.keras import backend as K
from kgraph.keras.layers.base import Layer
from kgraph.keras.tensor import Tensor, promote
from kgraph.ops import elementwise as e
from kgraph.ops.broadcast import broadcast_to, reshape
from kgraph.ops.logic import Or, where
from kgraph.ops.shape import concat, full


class Combine(Layer):
    """Base of the merge layers: checks that there is a list of inputs, and brings them to one dtype and rank.

    Inputs of fewer axes get axes of size 1 after the batch. The output is masked where all inputs are: masks are
    joined by OR, and an input without a mask counts as valid throughout (Keras 3; Keras 2 joined them by AND).
    """

    supports_masking = True
    least: int = 1
    most: int | None = None

    def call(self, inputs: Any, mask: Any = None) -> Tensor:
        masks = mask if isinstance(mask, list | tuple) else [None] * len(inputs)
        return Tensor(self.merge(self._operands(inputs), [None if m is None else m.value for m in masks]))

    def merge(self, values: list[Value], masks: list[Value | None]) -> Value:
        """What becomes of values of one dtype and rank."""
        raise NotImplementedError

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        if mask is None or any(m is None for m in mask):
            return None
        return Tensor(reduce(Or(), [m.value for m in mask]))

    def _operands(self, inputs: Any) -> list[Value]:
        most = len(inputs) if self.most is None else self.most
        if not self.least <= len(inputs) <= most:
            self._refuse(
                "wrong number of inputs", f"{self.least}" + ("" if self.most else " or more"), inputs
            )
        values = [tensor.value for tensor in inputs]
        common = reduce(lambda a, b: promote(Tensor(a), Tensor(b))[0], values)
        return [promote(Tensor(common), Tensor(value))[1] for value in values]

    def _check_inputs(self, inputs: Any) -> None:
        if not isinstance(inputs, list | tuple):
            raise ArgumentTypeError(
                describe(
                    f"layer {self.name} merges a list of tensors",
                    expected="a list",
                    got=inputs,
                    where=self.name,
                )
            )

    def _refuse(self, what: str, expected: str, inputs: Any) -> NoReturn:
        got = ", ".join(str(tensor.value.type) for tensor in inputs)
        raise ShapeError(
            describe(f"layer {self.name}: {what}", expected=expected, got=got or "none", where=self.name)
        )


class Folded(Combine):
    """y = x0 ∘ x1 ∘ …, element by element."""

    combine: Callable[[Any, Any], Value]

    def _operands(self, inputs: Any) -> list[Value]:
        values = super()._operands(inputs)
        rank = max(value.rank for value in values)
        lifted = [reshape(v, (*v.shape[:1], *[1] * (rank - v.rank), *v.shape[1:])) for v in values]
        try:
            reduce(broadcast_shapes, [value.shape for value in lifted])
        except ShapeError:
            self._refuse("the inputs do not fit each other", "shapes that broadcast", inputs)
        return lifted

    def merge(self, values: list[Value], masks: list[Value | None]) -> Value:
        return reduce(type(self).combine, values)


class Add(Folded):
    """y = x0 + x1 + …"""

    combine = staticmethod(e.add)


class Subtract(Folded):
    """y = x0 - x1, of exactly two."""

    combine = staticmethod(e.sub)
    least = most = 2


class Average(Folded):
    """y = (x0 + x1 + …) / n."""

    combine = staticmethod(e.add)

    def merge(self, values: list[Value], masks: list[Value | None]) -> Value:
        return e.mul(super().merge(values, masks), 1.0 / len(values))


class Multiply(Folded):
    """y = x0 * x1 * …; masked elements count as 1, and where all are masked y is 0."""

    combine = staticmethod(e.mul)

    def merge(self, values: list[Value], masks: list[Value | None]) -> Value:
        flags = [None if m is None else along(m, v) for v, m in zip(values, masks, strict=True)]
        factors = [v if f is None else where(f, v, 1.0) for v, f in zip(values, flags, strict=True)]
        result = super().merge(factors, masks)
        valid = [flag for flag in flags if flag is not None]
        return where(reduce(Or(), valid), result, 0.0) if len(valid) == len(flags) else result


class CustomScaleLayer(Folded):
    """y = x0 + scale * x1, of exactly two: the sum of Inception-ResNet, by the name that files have for it."""

    least = most = 2

    def __init__(self, scale: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.scale = float(scale)

    def merge(self, values: list[Value], masks: list[Value | None]) -> Value:
        return e.add(values[0], e.mul(values[1], self.scale))


class Extremum(Folded):
    """The largest or smallest of x0, x1, …; masked elements do not take part."""

    def merge(self, values: list[Value], masks: list[Value | None]) -> Value:
        result, valid = values[0], masks[0]
        for value, mask in zip(values[1:], masks[1:], strict=True):
            if mask is not None:
                value = where(along(mask, value), value, result)
            if valid is not None:
                result = where(along(valid, result), result, value)
            valid = None if mask is None or valid is None else Or()(valid, mask)
            result = type(self).combine(result, value)
        return result


class Maximum(Extremum):
    """y = the largest of x0, x1, …; masked elements do not take part."""

    combine = staticmethod(e.maximum)


class Minimum(Extremum):
    """y = the smallest of x0, x1, …; masked elements do not take part."""

    combine = staticmethod(e.minimum)


class Concatenate(Combine):
    """The inputs one after the other along `axis`; the other axes must agree.

    So are their masks, an input without one counting as valid throughout.
    """

    def __init__(self, axis: int = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis = axis

    def merge(self, values: list[Value], masks: list[Value | None]) -> Value:
        return concat(values, normalize_axis(self.axis, values[0].rank, "Concatenate axis"))

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        axis, steps = self.axis % inputs[0].ndim, inputs[0].ndim - 1
        if mask is None or all(m is None for m in mask) or (axis == steps and any(m is None for m in mask)):
            return None
        if axis == steps:  # along the features: a step is valid when it is for some input
            return Tensor(reduce(Or(), [m.value for m in mask]))
        shapes = [tensor.dims[:-1] for tensor in inputs]
        flags = [
            full(shape, True, "bool") if m is None else broadcast_to(along(m.value, shape), shape)
            for m, shape in zip(mask, shapes, strict=True)
        ]
        return Tensor(concat(flags, axis))


class Dot(Combine):
    """The product of two tensors summed over one axis of each.

    `axes` is an axis or a pair of axes, counted with the batch; axes that are not summed follow one another, those of
    the first input first. With `normalize` the vectors along these axes get length 1 first: cosine proximity.
    """

    least = most = 2

    def __init__(self, axes: Any, normalize: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        good = isinstance(axes, int) or (
            isinstance(axes, list | tuple) and len(axes) == 2 and all(isinstance(axis, int) for axis in axes)
        )
        if not good:
            raise ArgumentTypeError(
                describe("Dot: bad axes", expected="an integer or two", got=repr(axes), where=self.name)
            )
        self.axes = axes
        self.normalize = normalize

    def call(self, inputs: Any, mask: Any = None) -> Tensor:
        pair = (self.axes, self.axes) if isinstance(self.axes, int) else self.axes
        tensors = [Tensor(value) for value in self._operands(inputs)]
        if self.normalize:
            tensors = [K.l2_normalize(tensor, axis) for tensor, axis in zip(tensors, pair, strict=True)]
        return K.batch_dot(*tensors, axes=pair)

    def compute_mask(self, inputs: Any, mask: Any = None) -> None:
        return None


def along(mask: Value, x: Value | Sequence[Dim]) -> Value:
    """A mask with axes of size 1 behind, up to the rank of `x`."""
    rank = x.rank if isinstance(x, Value) else len(x)
    return reshape(mask, (*mask.shape, *[1] * (rank - mask.rank)))


def add(inputs: Sequence[Any], **kwargs: Any) -> Any:
    """`Add` of the inputs."""
    return Add(**kwargs)(inputs)


def subtract(inputs: Sequence[Any], **kwargs: Any) -> Any:
    """`Subtract` of the two inputs."""
    return Subtract(**kwargs)(inputs)


def multiply(inputs: Sequence[Any], **kwargs: Any) -> Any:
    """`Multiply` of the inputs."""
    return Multiply(**kwargs)(inputs)


def average(inputs: Sequence[Any], **kwargs: Any) -> Any:
    """`Average` of the inputs."""
    return Average(**kwargs)(inputs)


def maximum(inputs: Sequence[Any], **kwargs: Any) -> Any:
    """`Maximum` of the inputs."""
    return Maximum(**kwargs)(inputs)


def minimum(inputs: Sequence[Any], **kwargs: Any) -> Any:
    """`Minimum` of the inputs."""
    return Minimum(**kwargs)(inputs)


def concatenate(inputs: Sequence[Any], axis: int = -1, **kwargs: Any) -> Any:
    """`Concatenate` of the inputs along `axis`."""
    return Concatenate(axis=axis, **kwargs)(inputs)


def dot(inputs: Sequence[Any], axes: Any, normalize: bool = False, **kwargs: Any) -> Any:
    """`Dot` of the two inputs."""
    return Dot(axes=axes, normalize=normalize, **kwargs)(inputs)
