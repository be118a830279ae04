"""Arithmetic of convolutions: lengths before and after, and kernels turned around."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kgraph.errors import ArgumentError, describe


def normalize_tuple(value: Any, n: int, name: str) -> tuple[int, ...]:
    """`n` integers; one stands for all of them. Raises ArgumentError for anything else.

    >>> normalize_tuple(3, 2, "strides")
    (3, 3)
    """
    items = (value,) * n if isinstance(value, int | np.integer) else value
    if not isinstance(items, tuple | list) or len(items) != n:
        raise ArgumentError(describe(f"bad {name}", expected=f"an integer or {n} integers", got=repr(value)))
    if not all(isinstance(item, int | np.integer) for item in items):
        raise ArgumentError(describe(f"bad {name}", expected=f"an integer or {n} integers", got=repr(value)))
    return tuple(int(item) for item in items)


def normalize_padding(value: str) -> str:
    """ "valid", "same" or "causal", in lower case. Raises ArgumentError for anything else."""
    return _one_of(value, "valid", "same", "causal")


def _one_of(padding: Any, *known: str) -> str:
    if isinstance(padding, str) and padding.lower() in known:
        return padding.lower()
    raise ArgumentError(describe("bad padding", expected=" or ".join(map(repr, known)), got=repr(padding)))


def convert_kernel(kernel: ArrayLike) -> NDArray[Any]:
    """A kernel [*K, channels, filters] turned by 180°: what is a convolution with one is a correlation with the other.

    Raises ArgumentError unless K has one to three axes.
    """
    array = np.asarray(kernel)
    if not 3 <= array.ndim <= 5:
        raise ArgumentError(describe("no kernel of a convolution", expected="rank 3 to 5", got=array.shape))
    return np.flip(array, tuple(range(array.ndim - 2))).copy()


def conv_output_length(
    input_length: int | None, filter_size: int, padding: str, stride: int, dilation: int = 1
) -> int | None:
    """How many positions a convolution has on an axis; None of None.

    >>> conv_output_length(10, 3, "valid", 2)
    4
    """
    padding = _one_of(padding, "valid", "same", "causal", "full")
    if input_length is None:
        return None
    reach = (filter_size - 1) * dilation
    more = {"valid": -reach, "full": reach}.get(padding, 0)
    return (input_length + more + stride - 1) // stride


def conv_input_length(output_length: int | None, filter_size: int, padding: str, stride: int) -> int | None:
    """The least length from which a convolution makes so many positions; None of None. "same" counts odd filters.

    >>> conv_input_length(4, 3, "valid", 2)
    9
    """
    padding = _one_of(padding, "valid", "same", "full")
    if output_length is None:
        return None
    return (output_length - 1) * stride + filter_size - 2 * _pad(padding, filter_size)


def deconv_length(
    dim_size: int | None,
    stride_size: int,
    kernel_size: int,
    padding: str,
    output_padding: int | None,
    dilation: int = 1,
) -> int | None:
    """The length after a transposed convolution; None of None.

    Without `output_padding` the longest that fits; with it (n - 1) * stride + kernel - 2 * pad + output_padding.

    >>> deconv_length(4, 2, 3, "valid", None)
    9
    """
    padding = _one_of(padding, "valid", "same", "full")
    if dim_size is None:
        return None
    span = (kernel_size - 1) * dilation + 1
    if output_padding is not None:
        return (dim_size - 1) * stride_size + span - 2 * _pad(padding, span) + output_padding
    more = {"valid": max(span - stride_size, 0), "full": 2 - stride_size - span, "same": 0}[padding]
    return dim_size * stride_size + more


def _pad(padding: str, size: int) -> int:
    return {"valid": 0, "same": size // 2, "full": size - 1}[padding]
