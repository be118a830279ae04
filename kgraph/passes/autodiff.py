"""Reverse-mode differentiation: the gradient of a loss with respect to anything it depends on."""

from __future__ import annotations

from collections.abc import Sequence

from kgraph.errors import GraphError, describe
from kgraph.ir.graph import Value
from kgraph.ops.pullback import pullback
from kgraph.ops.shape import full


def gradients(loss: Value, wrt: Sequence[Value]) -> list[Value]:
    """d loss / d x for each x of `wrt`, of x's type; zeros where the loss does not depend on x.

    Raises GraphError when the loss is not a floating-point scalar, or an op on the way has no gradient.
    """
    if not loss.type.is_float or loss.rank != 0:
        raise GraphError(
            describe(
                "only a floating-point scalar can be differentiated", expected="float32[]", got=loss.type
            )
        )
    found = pullback([loss], [full((), 1.0, loss.dtype)], wrt)
    return [full(x.shape, 0.0, x.dtype) if g is None else g for x, g in zip(wrt, found, strict=True)]
