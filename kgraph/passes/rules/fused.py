"""Products and convolutions take what is scaled or added afterwards with them.

Measured with onnxruntime on the CPU: a scale factor costs a Gemm nothing; a bias saves a Conv one pass over its
result; but adding a whole matrix inside of a Gemm takes more than twice as long as the addition on its own, unless it
is so small that the call itself is what costs.
"""

from __future__ import annotations

from dataclasses import replace

from kgraph.ir.dims import product
from kgraph.ir.graph import Value, constant
from kgraph.ir.types import broadcast_shapes
from kgraph.ops.broadcast import reshape
from kgraph.ops.conv import Conv, ConvBias, conv
from kgraph.ops.elementwise import add, mul, neg, sub
from kgraph.ops.linalg import Gemm, MatMul, matmul
from kgraph.passes.facts import elements
from kgraph.passes.rewrite import Declined, Match, Rule, examples, f32
from kgraph.passes.rules.movement import MERGE_RESHAPES

SMALL_MATRIX = 1 << 13
"""Elements of a matrix up to which adding it inside of a Gemm is cheaper than one more call."""

A_B = examples(a=f32(2, 3), b=f32(3, 4))
A_B_C = examples(a=f32(2, 3), b=f32(3, 4), c=f32(4))
A_B_S = examples(a=f32(2, 3), b=f32(3, 4), s=constant(0.3, "float32"))


class _Product(Rule):
    """A rule about a MatMul or, with `scaled`, about a Gemm without addend."""

    exclusive = True

    def __init__(self, scaled: bool) -> None:
        self.scaled = scaled

    @property
    def name(self) -> str:
        return f"{type(self).__name__}{'Scaled' if self.scaled else ''}"

    def product(self, a: Value, b: Value) -> Value:
        return Gemm(alpha=0.5)(a, b) if self.scaled else matmul(a, b)

    def gemm(self, m: Match) -> Gemm | Declined:
        """The matched product as a Gemm."""
        if self.scaled:
            return m.op(Gemm)
        made = m.op(MatMul)
        if (m.a.rank, m.b.rank) != (2, 2) or not m.a.type.is_float:
            return Declined("not a product of two floating-point matrices")
        return Gemm(made.transpose_a, made.transpose_b)

    def with_addend(self, m: Match, sign: float, beta: float) -> Value | Declined:
        op, result = self.gemm(m), m.root.results[0]
        if isinstance(op, Declined):
            return op
        matrix = (m.call(Gemm) if self.scaled else m.call(MatMul)).results[0]
        if matrix.shape != result.shape or broadcast_shapes(m.c.shape, matrix.shape) != matrix.shape:
            return Declined("the product is broadcast")
        if elements(m.c) > SMALL_MATRIX and m.c.rank == 2 and 1 not in m.c.shape:
            return Declined("adding a large matrix is cheaper on its own")
        return replace(op, alpha=sign * op.alpha, beta=beta)(m.a, m.b, m.c)


class ScaleProduct(_Product):
    """(a @ b) * s -> gemm(a, b), alpha s, for a constant s"""

    operands = A_B_S

    def pattern(self, a: Value, b: Value, s: Value) -> Value:
        return mul(self.product(a, b), s)

    def replace(self, m: Match) -> Value | Declined:
        op = self.gemm(m)
        if isinstance(op, Declined) or m.array("s").size != 1:
            return Declined("not matrices, or s is not one number")
        return replace(op, alpha=op.alpha * m.array("s").item())(m.a, m.b)


class NegProduct(_Product):
    """-(a @ b) -> gemm(a, b), alpha -1"""

    operands = A_B

    def pattern(self, a: Value, b: Value) -> Value:
        return neg(self.product(a, b))

    def replace(self, m: Match) -> Value | Declined:
        op = self.gemm(m)
        return op if isinstance(op, Declined) else replace(op, alpha=-op.alpha)(m.a, m.b)


class AddProduct(_Product):
    """a @ b + c -> gemm(a, b, c)"""

    operands = A_B_C

    def pattern(self, a: Value, b: Value, c: Value) -> Value:
        return add(self.product(a, b), c)

    def replace(self, m: Match) -> Value | Declined:
        return self.with_addend(m, 1.0, 1.0)


class SubProduct(_Product):
    """c - a @ b -> gemm(a, b, c), alpha -1"""

    operands = A_B_C

    def pattern(self, a: Value, b: Value, c: Value) -> Value:
        return sub(c, self.product(a, b))

    def replace(self, m: Match) -> Value | Declined:
        return self.with_addend(m, -1.0, 1.0)


class ProductSub(_Product):
    """a @ b - c -> gemm(a, b, c), beta -1"""

    operands = A_B_C

    def pattern(self, a: Value, b: Value, c: Value) -> Value:
        return sub(self.product(a, b), c)

    def replace(self, m: Match) -> Value | Declined:
        return self.with_addend(m, 1.0, -1.0)


class GemmOfScaledAddend(Rule):
    """gemm(a, b, c * s) -> gemm(a, b, c), beta s, for a constant s"""

    operands = examples(a=f32(2, 3), b=f32(3, 4), c=f32(4), s=constant(0.9, "float32"))
    exclusive = True

    def pattern(self, a: Value, b: Value, c: Value, s: Value) -> Value:
        return Gemm(alpha=0.5)(a, b, mul(c, s))

    def replace(self, m: Match) -> Value | Declined:
        op = m.op(Gemm)
        if m.array("s").size != 1:
            return Declined("s is not one number")
        return replace(op, beta=op.beta * m.array("s").item())(m.a, m.b, m.c)


class ProductOfScaled(_Product):
    """(a * s) @ b -> gemm(a, b), alpha s, for a constant s; also where it is b that is scaled

    Whoever else uses a * s still can: the product just does not wait for it.
    """

    operands = A_B_S
    exclusive = False

    def __init__(self, scaled: bool, right: bool) -> None:
        super().__init__(scaled)
        self.right = right

    @property
    def name(self) -> str:
        return f"{super().name}{'B' if self.right else 'A'}"

    def pattern(self, a: Value, b: Value, s: Value) -> Value:
        return self.product(a, mul(b, s)) if self.right else self.product(mul(a, s), b)

    def replace(self, m: Match) -> Value | Declined:
        op = self.gemm(m)
        if isinstance(op, Declined) or m.array("s").size != 1:
            return Declined("not matrices, or s is not one number")
        return replace(op, alpha=op.alpha * m.array("s").item())(m.a, m.b)


class GemmOfScaled(Rule):
    """gemm(a * s, b, c) -> gemm(a, b, c), alpha s, for a constant s"""

    operands = examples(a=f32(2, 3), b=f32(3, 4), c=f32(4), s=constant(0.9, "float32"))

    def pattern(self, a: Value, b: Value, c: Value, s: Value) -> Value:
        return Gemm(alpha=0.5)(mul(a, s), b, c)

    def replace(self, m: Match) -> Value | Declined:
        op = m.op(Gemm)
        if m.array("s").size != 1:
            return Declined("s is not one number")
        return replace(op, alpha=op.alpha * m.array("s").item())(m.a, m.b, m.c)


class AddBiasToConv(Rule):
    """conv(x, w) + b -> conv_bias(x, w, b)"""

    operands = examples(x=f32(2, 3, 5, 5), w=f32(4, 3, 3, 3), b=f32(4, 1, 1))
    exclusive = True

    def pattern(self, x: Value, w: Value, b: Value) -> Value:
        return add(conv(x, w), b)

    def replace(self, m: Match) -> Value | Declined:
        made = m.call(Conv)
        filters, spatial = made.results[0].shape[1], m.x.rank - 2
        ones = m.b.rank - spatial - 1
        per_filter = (*(1 for _ in range(ones)), filters, *(1 for _ in range(spatial)))
        if m.b.shape != per_filter:
            return Declined("what is added is not one number per filter")
        op = ConvBias(*m.op(Conv).attributes_of_conv)
        return op(m.x, m.w, reshape(m.b, (product(m.b.shape),)))


RULES = (
    *(rule(scaled) for rule in (ScaleProduct, NegProduct) for scaled in (False, True)),
    *(rule(scaled) for rule in (AddProduct, SubProduct, ProductSub) for scaled in (False, True)),
    *(ProductOfScaled(scaled, right) for scaled in (False, True) for right in (False, True)),
    GemmOfScaled(),
    GemmOfScaledAddend(),
    AddBiasToConv(),
    *MERGE_RESHAPES,
)
