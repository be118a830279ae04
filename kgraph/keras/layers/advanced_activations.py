"""Activations that are layers, because they have arguments or weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kgraph.errors import ArgumentError, describe
from kgraph.ir.graph import Value
from kgraph.keras import backend as K
from kgraph.keras.backend.math import as_float
from kgraph.keras.layers.base import Layer
from kgraph.keras.layers.nodes import InputSpec
from kgraph.keras.layers.parameters import Parametric
from kgraph.keras.legacy import legacy
from kgraph.keras.tensor import Tensor
from kgraph.ops.activations import PRelu, ThresholdedRelu, softmax
from kgraph.ops.elementwise import exp, sub
from kgraph.ops.logic import cast, where
from kgraph.ops.reduce import log_sum_exp


class LeakyReLU(Layer):
    """y = x where x > 0, else negative_slope x. Maas et al., "Rectifier nonlinearities", 2013."""

    supports_masking = True

    @legacy(negative_slope="alpha")
    def __init__(self, negative_slope: float = 0.3, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.negative_slope = slope(negative_slope, "negative_slope")

    def call(self, inputs: Tensor) -> Tensor:
        return K.relu(inputs, alpha=self.negative_slope)


class PReLU(Parametric):
    """y = x where x > 0, else alpha x, with a learned alpha. He et al., "Delving deep into rectifiers", 2015.

    Weights: alpha, of the shape of a sample with 1 on `shared_axes` (counted with the batch).
    """

    supports_masking = True

    @legacy(alpha_initializer="init")
    def __init__(
        self,
        alpha_initializer: Any = "zeros",
        alpha_regularizer: Any = None,
        alpha_constraint: Any = None,
        shared_axes: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.prescribe("alpha", alpha_initializer, alpha_regularizer, alpha_constraint)
        self.shared_axes = [shared_axes] if isinstance(shared_axes, int) else shared_axes

    def build(self, input_shape: Any) -> None:
        shape = list(input_shape[1:])
        for axis in self.shared_axes or []:
            shape[axis - 1] = 1
        self.alpha = self.make("alpha", tuple(shape))
        own = {
            axis: size
            for axis, size in enumerate(input_shape)
            if axis and axis not in (self.shared_axes or [])
        }
        self.input_spec = InputSpec(ndim=len(input_shape), axes=own)
        self.built = True

    def call(self, inputs: Tensor) -> Tensor:
        return Tensor(PRelu()(inputs.value, self.alpha.value))


class ELU(Layer):
    """y = x where x > 0, else alpha (exp(x) - 1). Clevert et al., "Exponential linear units", 2016."""

    supports_masking = True

    def __init__(self, alpha: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.alpha = float(alpha)

    def call(self, inputs: Tensor) -> Tensor:
        return K.elu(inputs, self.alpha)


class ThresholdedReLU(Layer):
    """y = x where x > theta, else 0. Konda et al., "Zero-bias autoencoders", 2015."""

    supports_masking = True

    def __init__(self, theta: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.theta = slope(theta, "theta")

    def call(self, inputs: Tensor) -> Tensor:
        return Tensor(ThresholdedRelu(self.theta)(inputs.value))


class Softmax(Layer):
    """y = exp(x) / sum(exp(x)) along `axis`, or several; what the call's `mask` says is invalid gets 0."""

    supports_masking = True

    def __init__(self, axis: Any = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis = axis

    def call(self, inputs: Tensor, mask: Any = None) -> Tensor:
        applies = mask is not None and mask.ndim == inputs.ndim
        axes = self.axis if isinstance(self.axis, list | tuple) else [self.axis]
        return Tensor(masked_softmax(as_float(inputs), axes, cast(mask.value, "bool") if applies else None))


class ReLU(Layer):
    """y = min(x, max_value) where x >= threshold, else negative_slope (x - threshold)."""

    supports_masking = True

    def __init__(
        self,
        max_value: float | None = None,
        negative_slope: float = 0.0,
        threshold: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.max_value = None if max_value is None else slope(max_value, "max_value")
        self.negative_slope = slope(negative_slope, "negative_slope")
        self.threshold = slope(threshold, "threshold")

    def call(self, inputs: Tensor) -> Tensor:
        return K.relu(inputs, alpha=self.negative_slope, max_value=self.max_value, threshold=self.threshold)


def masked_softmax(x: Value, axes: Sequence[int], valid: Value | None = None, zeros: bool = True) -> Value:
    """exp(x) / sum(exp(x)) over `axes`, where only what is valid counts; the rest is 0.

    `valid` broadcasts to the shape of x. Where nothing is valid all is 0 or, without `zeros`, the same everywhere.
    """
    if valid is not None:
        x = where(valid, x, -3e4 if x.dtype == "float16" else -1e9)
    made = softmax(x, *axes) if len(axes) == 1 else exp(sub(x, log_sum_exp(x, axes, True)))
    return where(valid, made, 0.0) if valid is not None and zeros else made


def slope(value: Any, name: str) -> float:
    """A number that is not negative. Raises ArgumentError for anything else."""
    if value is None or float(value) < 0:
        raise ArgumentError(
            describe(f"bad value for {name}", expected="a number of 0 or more", got=repr(value))
        )
    return float(value)
