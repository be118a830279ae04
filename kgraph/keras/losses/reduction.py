"""From losses per sample to one number: sample weights, masks and the kinds of mean."""

from __future__ import annotations

from typing import Any

from kgraph.errors import ArgumentError, ShapeError, describe
from kgraph.ir.dims import product
from kgraph.keras import backend as K
from kgraph.keras.tensor import Tensor, as_value
from kgraph.ops.shape import DimValue


class Reduction:
    """The kinds of reduction by name. AUTO, of tf.keras, means SUM_OVER_BATCH_SIZE."""

    NONE = "none"
    SUM = "sum"
    SUM_OVER_BATCH_SIZE = "sum_over_batch_size"
    MEAN = "mean"
    MEAN_WITH_SAMPLE_WEIGHT = "mean_with_sample_weight"
    AUTO = "auto"


REDUCTIONS = tuple(value for name, value in vars(Reduction).items() if not name.startswith("_"))


def check_reduction(reduction: str | None) -> str:
    """The reduction, "none" for None. Raises ArgumentError for an unknown one."""
    chosen = Reduction.NONE if reduction is None else reduction
    if chosen not in REDUCTIONS:
        raise ArgumentError(
            describe("unknown loss reduction", expected=f"one of {REDUCTIONS}", got=repr(chosen))
        )
    return Reduction.SUM_OVER_BATCH_SIZE if chosen in (Reduction.AUTO, Reduction.MEAN) else chosen


def reduce_weighted(
    values: Any, sample_weight: Any = None, mask: Any = None, reduction: str | None = "mean"
) -> Tensor:
    """values [*S], weights and mask [*leading axes of S] -> a scalar, or [*S] with the reduction "none".

    With "sum_over_batch_size" it is the sum of weight * value over the number of values; of those that the mask lets
    through, where there is one. "mean_with_sample_weight" divides by the sum of the weights instead. Where a divisor is
    zero the result is zero. Raises ShapeError for weights or a mask with more axes than the values.
    """
    chosen = check_reduction(reduction)
    made = Tensor(as_value(values))
    weight = None if sample_weight is None else K.cast(sample_weight, made.dtype)
    passing = None if mask is None else K.cast(mask, made.dtype)
    factors = [_beside(factor, made) for factor in (weight, passing) if factor is not None]
    for factor in factors:
        made = made * factor
    if chosen == Reduction.NONE:
        return made
    if chosen == Reduction.SUM:
        return K.sum(made)
    if chosen == Reduction.MEAN_WITH_SAMPLE_WEIGHT and factors:
        total = factors[0] if len(factors) == 1 else factors[0] * factors[1]
        return divide_no_nan(K.sum(made), K.sum(total))
    if passing is None:
        return made if made.ndim == 0 else K.mean(made)
    count = Tensor(DimValue(product(passing.dims), made.dtype)())
    return K.mean(made) * divide_no_nan(count, K.sum(passing))


def _beside(factor: Tensor, values: Tensor) -> Tensor:
    """A weight per sample (or step) in a shape that multiplies every value of it."""
    while factor.ndim > values.ndim and factor.ndim > 1 and factor.shape[-1] == 1:
        factor = K.squeeze(factor, -1)
    if factor.ndim > max(values.ndim, 1):
        raise ShapeError(
            describe(
                "weights or mask do not fit the losses",
                expected=f"at most rank {values.ndim}",
                got=f"{factor.value.type} for losses {values.value.type}",
            )
        )
    return K.reshape(factor, (*factor.dims, *(1,) * (values.ndim - factor.ndim)))


def divide_no_nan(a: Any, b: Any) -> Tensor:
    """a / b, and 0 where b is 0."""
    empty = K.equal(b, 0)
    return K.switch(empty, 0.0, a / K.switch(empty, 1.0, b))


def same_rank(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Both with one rank, where they differ by a last axis of size 1: it is added to a vector, else taken away."""
    if a.ndim == b.ndim + 1 and a.shape[-1] == 1:
        return (a, K.expand_dims(b)) if b.ndim == 1 else (K.squeeze(a, -1), b)
    if b.ndim == a.ndim + 1 and b.shape[-1] == 1:
        second, first = same_rank(b, a)
        return first, second
    return a, b
