"""Matrix products."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from kgraph.errors import ShapeError, describe
from kgraph.ir.graph import Call, Value
from kgraph.ir.op import Gradients, Op, Sample, op
from kgraph.ir.types import Array, TensorType, broadcast_shapes
from kgraph.ops.base import same_dtype
from kgraph.ops.broadcast import unbroadcast
from kgraph.ops.elementwise import add, mul
from kgraph.ops.samples import floats, integers


@op("matmul")
class MatMul(Op):
    """a [*B, n, k] @ b [*B, k, m] -> [*B, n, m]; the batch axes broadcast.

    With `transpose_a` (`transpose_b`) the last two axes of that operand are swapped first: matrix multiplication takes
    transposes for free, so gradients never need a Transpose op.
    """

    transpose_a: bool = False
    transpose_b: bool = False

    def infer(self, a: TensorType, b: TensorType) -> TensorType:
        dtype = same_dtype(a, b)
        if a.rank < 2 or b.rank < 2:
            raise ShapeError(describe("matrices are needed", expected="rank 2 or more", got=f"{a} and {b}"))
        n, k = a.shape[-2:][:: -1 if self.transpose_a else 1]
        k2, m = b.shape[-2:][:: -1 if self.transpose_b else 1]
        if isinstance(k, int) and isinstance(k2, int) and k != k2:
            raise ShapeError(describe("inner dimensions differ", expected=k, got=k2))
        return TensorType(dtype, (*broadcast_shapes(a.shape[:-2], b.shape[:-2]), n, m))

    def evaluate(self, a: Array, b: Array) -> Array:
        left = np.swapaxes(a, -1, -2) if self.transpose_a else a
        right = np.swapaxes(b, -1, -2) if self.transpose_b else b
        return np.matmul(left, right)

    def vjp(self, call: Call, dy: Value) -> Gradients:
        a, b = call.inputs
        da = (
            matmul(b, dy, self.transpose_b, True)
            if self.transpose_a
            else matmul(dy, b, False, not self.transpose_b)
        )
        db = (
            matmul(dy, a, True, self.transpose_a)
            if self.transpose_b
            else matmul(a, dy, not self.transpose_a, False)
        )
        return unbroadcast(da, a), unbroadcast(db, b)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for ta in (False, True):
            for tb in (False, True):
                a, b = ((3, 2) if ta else (2, 3)), ((4, 3) if tb else (3, 4))
                yield Sample(cls(ta, tb), (floats(*a), floats(*b)))
                yield Sample(cls(ta, tb), (floats(2, *a), floats(*b)))
                yield Sample(cls(ta, tb), (integers(*a), integers(*b)))
        yield Sample(cls(), (floats(1, 2, 2, 3), floats(2, 1, 3, 2)))


@op("gemm")
class Gemm(Op):
    """a [n, k], b [k, m] -> alpha a @ b [n, m];  with c, which broadcasts to [n, m]: alpha a @ b + beta c.

    What passes make of a product and what follows it; runtimes do that at once. Transposes as in `matmul`.
    """

    transpose_a: bool = False
    transpose_b: bool = False
    alpha: float = 1.0
    beta: float = 1.0

    def infer(self, a: TensorType, b: TensorType, *c: TensorType) -> TensorType:
        made = MatMul(self.transpose_a, self.transpose_b).infer(a, b)
        same_dtype(a, *c)
        if made.rank != 2 or not made.is_float:
            raise ShapeError(describe("floating-point matrices are needed", expected="rank 2", got=made))
        if len(c) > 1 or any(broadcast_shapes(other.shape, made.shape) != made.shape for other in c):
            raise ShapeError(
                describe("what is added does not fit", expected=made, got=", ".join(map(str, c)))
            )
        return made

    def decompose(self, a: Value, b: Value, *c: Value) -> Value:
        made = matmul(a, b, self.transpose_a, self.transpose_b)
        if self.alpha != 1:
            made = mul(made, self.alpha)
        for other in c:
            made = add(made, other if self.beta == 1 else mul(other, self.beta))
        return made

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(alpha=0.3), (floats(2, 3), floats(3, 4)))
        for shape in ((), (4,), (2, 1), (1, 4), (2, 4)):
            yield Sample(cls(True, False, -0.5, 2.0), (floats(3, 2), floats(3, 4), floats(*shape)))
        yield Sample(cls(False, True), (floats(2, 3), floats(4, 3), floats(4)))


def matmul(a: Value, b: Value, transpose_a: bool = False, transpose_b: bool = False) -> Value:
    return MatMul(transpose_a, transpose_b)(a, b)
