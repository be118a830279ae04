"""Matrix products take transposes and sums over batches by themselves, and are scaled where that is cheapest."""

from __future__ import annotations

from kgraph.ir.dims import product
from kgraph.ir.graph import Value
from kgraph.ops.broadcast import ReduceSum, reshape
from kgraph.ops.elementwise import mul
from kgraph.ops.linalg import MatMul, matmul
from kgraph.ops.shape import Transpose
from kgraph.passes.facts import elements
from kgraph.passes.rewrite import Declined, Match, Rule, examples, f32

AB = examples(a=f32(2, 3), b=f32(3, 4))


def swaps_matrix(perm: tuple[int, ...]) -> bool:
    """Whether a permutation exchanges the last two axes and leaves the others."""
    rank = len(perm)
    return rank >= 2 and perm == (*range(rank - 2), rank - 1, rank - 2)


class MatMulOfTransposeA(Rule):
    """transpose(a) @ b -> matmul(a, b), transposing inside"""

    operands = examples(a=f32(3, 2), b=f32(3, 4))

    def pattern(self, a: Value, b: Value) -> Value:
        return matmul(Transpose((1, 0))(a), b)

    def replace(self, m: Match) -> Value | Declined:
        op = m.op(MatMul)
        if not swaps_matrix(m.op(Transpose).perm):
            return Declined("more than the matrix is transposed")
        return matmul(m.a, m.b, not op.transpose_a, op.transpose_b)


class MatMulOfTransposeB(Rule):
    """a @ transpose(b) -> matmul(a, b), transposing inside"""

    operands = examples(a=f32(2, 3), b=f32(4, 3))

    def pattern(self, a: Value, b: Value) -> Value:
        return matmul(a, Transpose((1, 0))(b))

    def replace(self, m: Match) -> Value | Declined:
        op = m.op(MatMul)
        if not swaps_matrix(m.op(Transpose).perm):
            return Declined("more than the matrix is transposed")
        return matmul(m.a, m.b, op.transpose_a, not op.transpose_b)


class TransposeOfMatMul(Rule):
    """transpose(a @ b) -> transpose(b) @ transpose(a), transposing inside"""

    operands = AB
    exclusive = True

    def pattern(self, a: Value, b: Value) -> Value:
        return Transpose((1, 0))(matmul(a, b))

    def replace(self, m: Match) -> Value | Declined:
        op = m.op(MatMul)
        if not swaps_matrix(m.op(Transpose).perm):
            return Declined("more than the matrix is transposed")
        return matmul(m.b, m.a, not op.transpose_b, not op.transpose_a)


class SumOfMatMul(Rule):
    """sum(transpose(a) @ b) -> transpose(rows of a) @ rows of b: the weight gradient of a sequence is one product"""

    operands = examples(a=f32(5, 3, 2), b=f32(5, 3, 4))
    exclusive = True

    def pattern(self, a: Value, b: Value) -> Value:
        return ReduceSum((0,), False)(matmul(a, b, True, False))

    def replace(self, m: Match) -> Value | Declined:
        op, total = m.op(MatMul), m.op(ReduceSum)
        batch = m.a.shape[:-2]
        if not op.transpose_a or op.transpose_b:
            return Declined("the summed axis is not the first of both matrices")
        if batch != m.b.shape[:-2] or sorted(a % (len(batch) + 2) for a in total.axes) != list(
            range(len(batch))
        ):
            return Declined("the sum is not over exactly the batch axes, or one of them is repeated")
        a, b = (reshape(x, (product(x.shape[:-1]), x.shape[-1])) for x in (m.a, m.b))
        return reshape(matmul(a, b, True, False), m.root.results[0].shape)


class ScaledMatMul(Rule):
    """(a @ b) * s -> (a * s) @ b or a @ (b * s), for one number s, where that scales fewer elements"""

    operands = examples(a=f32(2, 3), b=f32(3, 40), s=f32())
    domain = (-1e3, 1e3)  # an infinite s would turn finite sums into NaN
    exclusive = True

    def pattern(self, a: Value, b: Value, s: Value) -> Value:
        return mul(matmul(a, b), s)

    def replace(self, m: Match) -> Value | Declined:
        if product(m.s.shape) != 1:
            return Declined("s is not one number")
        if min(elements(m.a), elements(m.b)) >= elements(m.root.results[0]):
            return Declined("the product is not larger than its operands")
        return _scaled(m, reshape(m.s, ()))


class MatMulOfScaled(Rule):
    """(a * s) @ b -> a @ (b * s) or (a @ b) * s, for one number s, where that scales fewer elements"""

    operands = examples(a=f32(20, 30), b=f32(30, 4), s=f32())
    domain = (-1e3, 1e3)  # an infinite s would turn finite sums into NaN
    exclusive = True

    def __init__(self, right: bool) -> None:
        self.right = right

    @property
    def name(self) -> str:
        return f"MatMulOfScaled{'B' if self.right else 'A'}"

    def pattern(self, a: Value, b: Value, s: Value) -> Value:
        if self.right:
            return matmul(b, mul(a, s), True, True)
        return matmul(mul(a, s), b)

    def replace(self, m: Match) -> Value | Declined:
        if product(m.s.shape) != 1 or m.a.rank < 2:
            return Declined("s is not one number")
        result = m.root.results[0]
        if min(elements(m.b), elements(result)) >= elements(m.a):
            return Declined("nothing smaller could be scaled")
        op, s = m.op(MatMul), reshape(m.s, ())
        if elements(result) <= elements(m.b):
            return mul(op(m.b, m.a) if self.right else op(m.a, m.b), s)
        b = mul(m.b, s)
        return op(b, m.a) if self.right else op(m.a, b)


def _scaled(m: Match, s: Value) -> Value:
    op = m.op(MatMul)
    if elements(m.a) <= elements(m.b):
        return op(mul(m.a, s), m.b)
    return op(m.a, mul(m.b, s))


RULES = (
    MatMulOfTransposeA(),
    MatMulOfTransposeB(),
    TransposeOfMatMul(),
    SumOfMatMul(),
    ScaledMatMul(),
    MatMulOfScaled(right=False),
    MatMulOfScaled(right=True),
)
