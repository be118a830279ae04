"""Operations of keras.ops.nn."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from kgraph.ir import graph as ir
from kgraph.ir.types import FLOATS, normalize_axis
from kgraph.keras import activations, settings
from kgraph.keras import backend as K
from kgraph.keras.layers.operation_tables.operands import (
    Function,
    as_float,
    as_number,
    as_tensor,
    axes_of,
    cast,
)
from kgraph.keras.tensor import Tensor
from kgraph.ops import norm
from kgraph.ops.broadcast import reshape
from kgraph.ops.elementwise import mul
from kgraph.ops.indexing import OneHot


def _activation(function: Function) -> Function:
    return lambda x: function(as_float(x))


def _relu(x: Any) -> Tensor:
    found = as_tensor(x)
    return activations.relu(found) if found.dtype in FLOATS else K.maximum(as_number(found), 0)


def _one_hot(
    x: Any, num_classes: int, axis: int = -1, dtype: str | None = None, sparse: bool = False
) -> Tensor:
    """1 at the index on a new axis; an index out of range gives zeros."""
    found = as_tensor(x)
    if found.dtype in FLOATS or found.dtype == "bool":
        found = K.cast(found, "int32")
    made = Tensor(OneHot(num_classes, dtype or settings.floatx())(found.value))
    place = normalize_axis(axis, made.ndim)
    order = [*range(place), made.ndim - 1, *range(place, made.ndim - 1)]
    return K.permute_dimensions(made, order)


def _normalize(x: Any, axis: Any = -1, order: int = 2, epsilon: float | None = None) -> Tensor:
    """x / max(norm(x), epsilon) with the norm of the order over the axis."""
    least = settings.epsilon() if epsilon is None else epsilon
    found = as_float(x)
    axes = axes_of(axis, found.ndim)
    if order == 2:
        # The bound is inside of the root, where the slope at zero is finite.
        return found * K.pow(K.maximum(K.sum(K.square(found), axes, True), least**2), -0.5)
    norm = K.pow(K.sum(K.pow(K.abs(found), order), axes, True), 1 / order)
    return found / K.maximum(norm, least)


def _moments(x: Any, axes: Any, keepdims: bool = False, synchronized: bool = False) -> list[Tensor]:
    found = as_float(x)
    chosen = axes_of(axes, found.ndim)
    return [K.mean(found, chosen, keepdims), K.var(found, chosen, keepdims)]


def _layer_norm(
    x: Any,
    gamma: Any = None,
    beta: Any = None,
    axis: Any = -1,
    epsilon: float | None = None,
    rms_scaling: bool = False,
) -> Tensor:
    """(x - mean) / sqrt(variance + epsilon) gamma + beta over the axes, or x / sqrt(variance + epsilon) gamma."""
    found = as_float(x)
    axes = sorted(axes_of(axis, found.ndim))
    least = settings.epsilon() if epsilon is None else epsilon
    scale, offset = (None if p is None else _on(p, found, axes) for p in (gamma, beta))
    if not rms_scaling:
        return Tensor(norm.layer_norm(found.value, scale, offset, axes, least))
    made = mul(found.value, norm.standardise(found.value, axes, least)[1])
    return Tensor(made if scale is None else mul(made, norm.along_axes(scale, found.value, axes)))


def _rms_norm(x: Any, scale: Any = None, axis: Any = -1, epsilon: float | None = None) -> Tensor:
    """x / sqrt(mean(x^2) + epsilon) scale, the mean over the axes."""
    found = as_float(x)
    axes = sorted(axes_of(axis, found.ndim))
    made = norm.rms_norm(found.value, axes, settings.epsilon() if epsilon is None else epsilon)
    return Tensor(
        made if scale is None else mul(made, norm.along_axes(_on(scale, found, axes), found.value, axes))
    )


def _on(parameter: Any, x: Tensor, axes: list[int]) -> ir.Value:
    """A parameter with the sizes of the axes; it may come in a shape that broadcasts against `x`."""
    return reshape(cast(as_tensor(parameter), x.dtype).value, [x.dims[axis] for axis in axes])


NN: Mapping[str, Function] = MappingProxyType(
    {
        "Celu": lambda x, alpha=1.0: activations.celu(as_float(x), alpha),
        "Elu": lambda x, alpha=1.0: activations.elu(as_float(x), alpha),
        "Gelu": lambda x, approximate=True: activations.gelu(as_float(x), approximate),
        "Glu": lambda x, axis=-1: activations.glu(as_float(x), axis),
        "HardShrink": lambda x, threshold=0.5: activations.hard_shrink(as_float(x), threshold),
        "HardSigmoid": _activation(activations.hard_sigmoid),
        "HardSilu": _activation(activations.hard_silu),
        "HardTanh": _activation(activations.hard_tanh),
        "LayerNorm": _layer_norm,
        "LeakyRelu": lambda x, negative_slope=0.2: activations.leaky_relu(as_float(x), negative_slope),
        "LogSigmoid": _activation(activations.log_sigmoid),
        "LogSoftmax": lambda x, axis=-1: activations.log_softmax(as_float(x), axis),
        "Moments": _moments,
        "Normalize": _normalize,
        "OneHot": _one_hot,
        "RMSNorm": _rms_norm,
        "Relu": _relu,
        "Relu6": _activation(activations.relu6),
        "Selu": _activation(activations.selu),
        "Sigmoid": _activation(activations.sigmoid),
        "Silu": _activation(activations.silu),
        "SoftShrink": lambda x, threshold=0.5: activations.soft_shrink(as_float(x), threshold),
        "Softmax": lambda x, axis=-1: activations.softmax(as_float(x), axis),
        "Softplus": _activation(activations.softplus),
        "Softsign": _activation(activations.softsign),
        "SparsePlus": _activation(activations.sparse_plus),
        "Squareplus": lambda x, b=4: activations.squareplus(as_float(x), b),
        "TanhShrink": _activation(activations.tanh_shrink),
        "Threshold": lambda x, threshold, default_value: activations.threshold(
            as_float(x), threshold, default_value
        ),
    }
)
