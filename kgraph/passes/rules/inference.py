"""What can be computed on weights instead of on activations, since the weights are smaller.

Batch normalisation with given statistics is linear, so the convolution or product before it takes it in. With constant
weights nothing of it is left at run time.
"""

from __future__ import annotations

from kgraph.ir.dims import product
from kgraph.ir.graph import Result, Value, constant
from kgraph.ops.activations import relu
from kgraph.ops.base import Unary
from kgraph.ops.broadcast import Reshape, reshape
from kgraph.ops.conv import Conv, conv
from kgraph.ops.elementwise import add, mul
from kgraph.ops.linalg import MatMul, matmul
from kgraph.ops.norm import BatchNorm
from kgraph.ops.shape import Transpose, transpose
from kgraph.passes.rewrite import Declined, Match, Rule, examples, f32
from kgraph.passes.rules.reduction import matching_axes


class _FoldBatchNorm(Rule):
    """batch_norm(f(x, w) + b) -> f(x, w * factor) + (b * factor + shift)"""

    exclusive = True
    domain = (0.1, 2.0)

    def __init__(self, biased: bool) -> None:
        self.biased = biased

    @property
    def name(self) -> str:
        return f"{type(self).__name__}{'WithBias' if self.biased else ''}"

    def affine(self, m: Match) -> tuple[Value, Value]:
        """The factor and the shift per channel, [c], that normalisation comes to."""
        return m.op(BatchNorm).as_affine(m.scale, m.offset, m.mean, m.variance)

    def shifted(self, m: Match, made: Value, factor: Value, shift: Value) -> Value:
        """What is added after the product: the shift, and the old bias scaled; both along the channels."""
        along = m.op(BatchNorm).along
        total = along(shift, made)
        return add(made, add(mul(m.b, along(factor, made)), total) if self.biased else total)


_VECTORS = {"scale": f32(4), "offset": f32(4), "mean": f32(4), "variance": f32(4)}


class FoldBatchNormIntoConv(_FoldBatchNorm):
    """batch_norm(conv(x, w) + b) -> conv(x, w * factor) + (b * factor + shift)"""

    def __init__(self, biased: bool) -> None:
        super().__init__(biased)
        bias = {"b": f32(4, 1, 1)} if biased else {}
        self.operands = examples(x=f32(2, 3, 5, 5), w=f32(4, 3, 3, 3), **_VECTORS, **bias)

    def pattern(self, x: Value, w: Value, *others: Value) -> Value:
        made = conv(x, w)
        return BatchNorm(1)(add(made, others[4]) if self.biased else made, *others[:4])

    def replace(self, m: Match) -> Value | Declined:
        made = m.call(Conv)
        if m.op(BatchNorm).axis % m.x.rank != 1 or m.root.inputs[0].shape != made.results[0].shape:
            return Declined("the normalised axis is not that of the filters")
        factor, shift = self.affine(m)
        scaled = mul(m.w, reshape(factor, (*factor.shape, *(1 for _ in m.w.shape[1:]))))
        return self.shifted(m, made.op(m.x, scaled), factor, shift)


class FoldBatchNormIntoMatMul(_FoldBatchNorm):
    """batch_norm(x @ w + b) -> x @ (w * factor) + (b * factor + shift)"""

    def __init__(self, biased: bool) -> None:
        super().__init__(biased)
        bias = {"b": f32(4)} if biased else {}
        self.operands = examples(x=f32(2, 3), w=f32(3, 4), **_VECTORS, **bias)

    def pattern(self, x: Value, w: Value, *others: Value) -> Value:
        made = matmul(x, w)
        return BatchNorm(-1)(add(made, others[4]) if self.biased else made, *others[:4])

    def replace(self, m: Match) -> Value | Declined:
        made, result = m.call(MatMul), m.root.results[0]
        if m.op(BatchNorm).axis % result.rank != result.rank - 1 or made.results[0].shape != result.shape:
            return Declined("the normalised axis is not that of the columns")
        if m.w.rank != 2:
            return Declined("w is not one matrix")
        factor, shift = self.affine(m)
        by = reshape(factor, (*factor.shape, 1)) if m.op(MatMul).transpose_b else factor
        return self.shifted(m, made.op(m.x, mul(m.w, by)), factor, shift)


class ScaleIntoConv(Rule):
    """(conv(x, w) + b) * s -> conv(x, w * s) + b * s, for a constant s of one number"""

    operands = examples(x=f32(2, 3, 5, 5), w=f32(4, 3, 3, 3), b=f32(4, 1, 1), s=constant(0.3, "float32"))
    exclusive = True

    def pattern(self, x: Value, w: Value, b: Value, s: Value) -> Value:
        return mul(add(conv(x, w), b), s)

    def replace(self, m: Match) -> Value | Declined:
        made, s = m.call(Conv), m.array("s")
        if s.size != 1 or m.root.results[0].shape != made.results[0].shape:
            return Declined("s is not one number, or the result is broadcast")
        if product(m.b.shape) not in (1, m.w.shape[0]):
            return Declined("b is as large as the result: scaling it saves nothing")
        factor = reshape(m.s, ())
        return add(made.op(m.x, mul(m.w, factor)), mul(m.b, factor))


class FlattenIntoWeights(Rule):
    """flatten(transpose(x)) @ w -> flatten(x) @ (w with its rows permuted)"""

    operands = examples(x=f32(2, 3, 4, 5), w=f32(60, 7))
    exclusive = True

    def pattern(self, x: Value, w: Value) -> Value:
        return matmul(Reshape((2, 60))(Transpose((0, 2, 3, 1))(x)), w)

    def replace(self, m: Match) -> Value | Declined:
        op, perm, flat = m.op(MatMul), m.op(Transpose).perm, m.call(Reshape).results[0]
        turned = m.call(Transpose).results[0]
        groups = matching_axes(turned.shape, flat.shape)
        if op.transpose_a or op.transpose_b or m.w.rank != 2 or not groups:
            return Declined("w is not one matrix with rows for the flat axis")
        merged, (*_, last) = groups[-1]
        if len(groups[-1][1]) != 1 or last != flat.rank - 1:
            return Declined("the last axis is not a merger of whole axes")
        first = len(perm) - len(merged)
        if perm[:first] != tuple(range(first)) or merged != list(range(first, len(perm))):
            return Declined("axes other than the merged ones are transposed")
        sizes = [turned.shape[axis] for axis in merged]
        order = sorted(range(len(merged)), key=lambda i: perm[first + i])
        rows = transpose(reshape(m.w, (*sizes, m.w.shape[1])), (*order, len(merged)))
        return matmul(reshape(m.x, flat.shape), reshape(rows, (product(sizes), m.w.shape[1])))


class BatchNormAsAffine(Rule):
    """batch_norm(x) -> x * factor + shift, where the channels are not on axis 1, which is what runtimes normalise"""

    operands = examples(x=f32(2, 3, 4), **_VECTORS)
    domain = (0.1, 2.0)

    def pattern(self, x: Value, *vectors: Value) -> Value:
        return BatchNorm(-1)(x, *vectors)

    def replace(self, m: Match) -> Value | Declined:
        op = m.op(BatchNorm)
        if op.axis % m.x.rank == 1:
            return Declined("runtimes do this in one step")
        return op.decompose(m.x, m.scale, m.offset, m.mean, m.variance)


class UnaryOfReshape(Rule):
    """relu(reshape(x)) -> reshape(relu(x)), and so for other functions of single elements

    Between dense layers over all steps of a sequence, and between a product and its activation, nothing is left.
    """

    operands = examples(x=f32(2, 6))
    family = Unary

    def pattern(self, x: Value) -> Value:
        return relu(reshape(x, (4, 3)))

    def replace(self, m: Match) -> Value | Declined:
        (operand,) = m.root.inputs
        assert isinstance(operand, Result)
        (x,) = operand.call.inputs
        return reshape(m.root.op(x), operand.shape)


BATCH_NORM = tuple(
    rule(biased) for rule in (FoldBatchNormIntoConv, FoldBatchNormIntoMatMul) for biased in (False, True)
)
FROZEN = (ScaleIntoConv(), FlattenIntoWeights(), BatchNormAsAffine(), UnaryOfReshape())
"""For functions whose weights rest: with weights that change, these move work rather than save it."""
