"""Operations of keras.ops.core, keras.ops.math and keras.ops.linalg."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from kgraph.errors import UnsupportedError, describe
from kgraph.keras import backend as K
from kgraph.keras.layers.operation_tables.movement import unstack
from kgraph.keras.layers.operation_tables.operands import Function, as_float, as_tensor, axes_of, cast
from kgraph.keras.tensor import Tensor
from kgraph.ops import elementwise as e
from kgraph.ops.activations import Erf
from kgraph.ops.control import StopGradient
from kgraph.ops.indexing import TakeAlongAxis
from kgraph.ops.reduce import TopK


def _converted(x: Any, dtype: str | None = None, sparse: None = None, ragged: None = None) -> Tensor:
    found = as_tensor(x)
    return found if dtype is None else cast(found, dtype)


CORE: Mapping[str, Function] = MappingProxyType(
    {
        "Cast": lambda x, dtype: K.cast(as_tensor(x), dtype),
        "ConvertToTensor": _converted,
        "StopGradient": lambda variable: Tensor(StopGradient()(as_tensor(variable).value)),
        "Unstack": unstack,
    }
)
"""Of keras.ops.core."""


def _top_k(x: Any, k: int, sorted: bool = True) -> list[Tensor]:
    """The largest elements of the last axis, in order in any case, and their positions."""
    value = as_tensor(x).value
    positions = TopK(k).apply(value)[1]
    # Picked, not found: so the gradient goes to where they are.
    return [Tensor(TakeAlongAxis(-1)(value, positions)), K.cast(Tensor(positions), "int32")]


def _log_sum_exp(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    found = as_float(x)
    return K.logsumexp(found, None if axis is None else axes_of(axis, found.ndim), keepdims)


MATH: Mapping[str, Function] = MappingProxyType(
    {
        "Erf": lambda x: Tensor(Erf()(as_float(x).value)),
        "Logsumexp": _log_sum_exp,
        "Rsqrt": lambda x: Tensor(e.Reciprocal()(e.sqrt(as_float(x).value))),
        "TopK": _top_k,
    }
)
"""Of keras.ops.math."""


def _norm(x: Any, ord: float | None = None, axis: Any = None, keepdims: bool = False) -> Tensor:
    """The length of vectors: on one axis, or of all elements where nothing is said."""
    found = as_float(x)
    axes = tuple(range(found.ndim)) if axis is None else axes_of(axis, found.ndim)
    if ord not in (None, 1, 2) or (ord is not None and len(axes) > 1):
        raise UnsupportedError(
            describe("Norm", expected="the order 1 or 2 of vectors", got=f"ord={ord}, axis={axis}")
        )
    if ord == 1:
        return K.sum(K.abs(found), axes, keepdims)
    return K.sqrt(K.sum(K.square(found), axes, keepdims))


LINALG: Mapping[str, Function] = MappingProxyType({"Norm": _norm})
"""Of keras.ops.linalg."""
