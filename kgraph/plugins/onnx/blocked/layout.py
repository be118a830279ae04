"""The pass that brings convolutions, and what stands between them, into the blocked layout.

Each call is looked at once, operands first. A convolution takes blocked operands and gives `from_blocked(y)`. Whoever
finds such an operand and does not care about the order of axes works on `y` itself; the `from_blocked` that nobody
needs is gone with that. Ops take part by an entry in the table at the end.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any

from kgraph.ir.dims import Dim
from kgraph.ir.graph import Call, Function, Result, Value, topological, transform
from kgraph.ir.op import Op
from kgraph.ir.types import TensorType, normalize_axis
from kgraph.ops.activations import PRelu, Relu
from kgraph.ops.base import Elementwise
from kgraph.ops.broadcast import ReduceSum, kept_shape, reshape
from kgraph.ops.conv import Conv, ConvBias, ConvFilterGrad, ConvInputGrad, Convolution, flipped_kernel
from kgraph.ops.elementwise import mul
from kgraph.ops.norm import BatchNorm, BatchNormTrain
from kgraph.ops.pool import AveragePool, AveragePoolGrad, MaxPool, MaxPoolGrad, Pool
from kgraph.ops.random import Dropout
from kgraph.ops.reduce import ReduceMax, ReduceMean
from kgraph.ops.shape import Concat, Repeat, Slice, Transpose, transpose
from kgraph.passes.base import Pass, register
from kgraph.passes.rewrite import count_uses
from kgraph.plugins.onnx.blocked.inputs import strided_input_gradient
from kgraph.plugins.onnx.blocked.ops import (
    BlockedConv,
    BlockedFilterGrad,
    FromBlocked,
    ToBlocked,
    blocked_kernel,
    plain_gradient,
)

TO_LAST, TO_FIRST = (0, 2, 3, 1), (0, 3, 1, 2)

TAKEN_APART = (BatchNorm, BatchNormTrain, Dropout, PRelu)
"""Composite ops that know axes, made of ops that do not. (A taken apart dropout drops the same elements as ever.)"""


@register("block_channels")
@dataclass(frozen=True)
class BlockChannels(Pass):
    """conv(x, w) -> from_blocked(blocked_conv(to_blocked(x), blocked w)), and what follows inside of the layout."""

    block: int = 16

    def __call__(self, function: Function, hits: Counter[str]) -> Function:
        if not any(isinstance(call.op, Convolution) for call in function.calls()):
            return function
        uses = count_uses(function)

        def visit(call: Call, inputs: tuple[Value, ...]) -> Sequence[Value] | None:
            once = all(uses[value] == 1 for value in call.inputs)
            made = self._visit(Site(call.op, inputs, self.block, once))
            if made is not None:
                hits[call.op.name] += 1
            return made

        return transform(function, visit)

    def _visit(self, site: Site) -> Sequence[Value] | None:
        if isinstance(site.op, TAKEN_APART):
            return None if site.inside(site.operands[0]) is None else self._replay(site.op, site.operands)
        handler = _handler(type(site.op))
        made = handler(site) if handler is not None else None
        return None if made is None else (made,)

    def _replay(self, op: Op, operands: tuple[Value, ...]) -> Sequence[Value]:
        """The parts of a composite op, each brought into the layout if it can be."""
        made = op.decompose(*operands)
        results = made if isinstance(made, tuple) else (made,)
        new: dict[Value, Value] = {}
        for call in topological(results, stop=operands):
            inputs = tuple(new.get(value, value) for value in call.inputs)
            parts = self._visit(Site(call.op, inputs, self.block, once=False)) or call.op.apply(*inputs)
            new.update(zip(call.results, parts, strict=True))
        return [new.get(result, result) for result in results]


@dataclass(frozen=True)
class Site:
    """A call whose operands may be blocked. `once`: nothing else uses them."""

    op: Any
    operands: tuple[Value, ...]
    block: int
    once: bool

    def fits(self, channels: Dim) -> bool:
        return isinstance(channels, int) and channels % self.block == 0

    def inside(self, value: Value) -> Value | None:
        """The blocked tensor that a plain one was made from, or None."""
        if isinstance(value, Result) and value.call.op == FromBlocked():
            (inner,) = value.call.inputs
            return inner if inner.shape[-1] == self.block else None
        return None

    def blocked(self, value: Value) -> Value:
        """`value` [N, C, H, W] in the layout."""
        inner = self.inside(value)
        if inner is not None:
            return inner
        if isinstance(value, Result):
            (first, *_), op = value.call.inputs, value.call.op
            if _is_to_first(value):
                return ToBlocked(self.block, True)(first)
            if isinstance(op, Elementwise) and any(map(_is_to_first, value.call.inputs)):
                made = self.elementwise(op, value.call.inputs, value.type)
                if made is not None:
                    return made
            if isinstance(op, AveragePoolGrad) and _is_simple(op):
                return _on_blocks(op, self.block)(self.blocked(first))
        return ToBlocked(self.block)(value)

    def elementwise(self, op: Any, operands: Sequence[Value], like: TensorType) -> Value | None:
        """An elementwise op on blocked operands, which gives `like` [N, C, H, W] in the layout."""
        found = [self.beside(value, like) for value in operands]
        return None if any(value is None for value in found) else op(*found)

    def beside(self, value: Value, like: TensorType) -> Value | None:
        """An operand that broadcasts to `like` [N, C, H, W], such that it broadcasts to the same in the layout."""
        shape = (1,) * (4 - value.rank) + value.shape
        if shape[1] == 1:
            return reshape(value, (*shape, 1)) if value.rank else value
        if shape[1] != like.shape[1]:
            return None
        if shape[2:] == (1, 1):
            inner = self.inside(value)
            return inner or reshape(value, (shape[0], shape[1] // self.block, 1, 1, self.block))
        return self.blocked(reshape(value, shape))


def _is_to_first(value: Value) -> bool:
    """Whether a value is a tensor that had its channels last."""
    return isinstance(value, Result) and value.call.op == Transpose(TO_FIRST)


def _is_image(*types: TensorType) -> bool:
    """float32 [N, C, H, W]"""
    return all(type.rank == 4 and type.dtype == "float32" for type in types)


def _is_plain(op: Convolution) -> bool:
    """One group, pads that are known."""
    return op.groups == 1 and all(isinstance(amount, int) for pair in op.pads for amount in pair)


def _is_simple(op: Pool) -> bool:
    """Windows side by side, no pads."""
    return op.window == op.strides and all(pair == (0, 0) for pair in op.pads)


def _on_blocks(op: Pool, block: int) -> Pool:
    """A pool over H and W as one over (H, W, b)."""
    deeper = {"window": (*op.window, 1), "strides": (*op.strides, 1), "pads": (*op.pads, (0, 0))}
    if isinstance(op, AveragePoolGrad):
        deeper["shape"] = (*op.shape, block)
    return replace(op, **deeper)  # type: ignore[arg-type]  # the fields have these types


# -- the table

Handler = Callable[[Site], "Value | None"]
_HANDLERS: dict[type[Op], Handler] = {}


def blocks(*ops: type[Op]) -> Callable[[Handler], Handler]:
    """Decorator: the function handles these op classes and their subclasses."""

    def enter(handler: Handler) -> Handler:
        for op in ops:
            _HANDLERS[op] = handler
        return handler

    return enter


def _handler(op: type[Op]) -> Handler | None:
    return next((_HANDLERS[base] for base in op.__mro__ if base in _HANDLERS), None)


@blocks(Conv, ConvBias)
def _conv(site: Site) -> Value | None:
    """With fewer channels than a block the kernel takes a plain x."""
    (x, w, *bias), op = site.operands, site.op
    if not _is_image(x.type, w.type) or not _is_plain(op):
        return None
    filters, channels = w.type.static_shape[:2]
    if not site.fits(filters) or not (site.fits(channels) or channels < site.block):
        return None
    made, kernel = BlockedConv(op.strides, op.pads, op.dilations), blocked_kernel(w, site.block)
    if site.fits(channels):
        return FromBlocked()(made(site.blocked(x), kernel, *bias))
    if channels > 1 and op.dilations[-1] == 1:
        made, x, kernel = _as_one_channel(made, x, kernel)
    return FromBlocked()(made(x, kernel, *bias))


def _as_one_channel(op: BlockedConv, x: Value, kernel: Value) -> tuple[BlockedConv, Value, Value]:
    """The same convolution with the channels side by side in each row: x [N, 1, H, W * C], w [O / b, 1, KH, KW * C, b].

    Images mostly come so. The sum over a window is then one run along the row, and not one for each channel.
    """
    n, _, height, width = x.shape
    outer, channels, high, wide, block = kernel.type.static_shape
    (down, right), (rows, (before, after)) = op.strides, op.pads
    line = replace(op, strides=(down, right * channels), pads=(rows, (before * channels, after * channels)))
    flat = reshape(transpose(x, TO_LAST), (n, 1, height, width * channels))
    return line, flat, reshape(transpose(kernel, (0, 2, 3, 1, 4)), (outer, 1, high, wide * channels, block))


@blocks(ConvInputGrad)
def _conv_input_grad(site: Site) -> Value | None:
    """At stride 1 this is the convolution with the flipped kernel, filters and channels exchanged."""
    dy, w = site.operands
    if not _is_image(dy.type, w.type):
        return None
    filters, channels, *kernel = w.type.static_shape
    if not (site.fits(filters) and site.fits(channels)):
        return None
    op = site.op.as_conv(kernel)
    if op is None:
        made = strided_input_gradient(site.op, site.blocked(dy), w, site.block)
        return None if made is None else FromBlocked()(made)
    conv = BlockedConv(op.strides, op.pads, op.dilations)
    return FromBlocked()(conv(site.blocked(dy), blocked_kernel(flipped_kernel(w), site.block)))


@blocks(ConvFilterGrad)
def _conv_filter_grad(site: Site) -> Value | None:
    (x, dy), op = site.operands, site.op
    sizes = (*x.shape[1:], *dy.shape[1:])
    if not _is_image(x.type, dy.type) or not _is_plain(op) or set(op.dilations) != {1}:
        return None
    if not all(isinstance(size, int) for size in sizes) or not site.fits(dy.shape[1]):
        return None
    made = BlockedFilterGrad(op.strides, op.pads, op.kernel)
    if site.fits(x.shape[1]):
        return plain_gradient(made(site.blocked(x), site.blocked(dy)))
    n, channels, height, width = x.shape
    last = reshape(transpose(x, TO_LAST), (n, 1, height, width, channels))
    return plain_gradient(made(last, site.blocked(dy)))


@blocks(MaxPool, AveragePool)
def _pool(site: Site) -> Value | None:
    x = site.inside(site.operands[0])
    return None if x is None else FromBlocked()(_on_blocks(site.op, site.block)(x))


@blocks(MaxPoolGrad)
def _max_pool_grad(site: Site) -> Value | None:
    x, dy = site.inside(site.operands[0]), site.operands[1]
    if x is None:
        return None
    return FromBlocked()(_on_blocks(site.op, site.block)(x, site.blocked(dy)))


@blocks(AveragePoolGrad)
def _average_pool_grad(site: Site) -> Value | None:
    dy = site.inside(site.operands[0])
    if dy is None or not _is_simple(site.op):
        return None
    return FromBlocked()(_on_blocks(site.op, site.block)(dy))


@blocks(Elementwise)
def _elementwise(site: Site) -> Value | None:
    known = [value for value in site.operands if site.inside(value) is not None]
    if not known:
        return None
    like = site.op.infer(*(value.type for value in site.operands))
    if like.rank != 4 or not site.fits(like.shape[1]):
        return None
    made = site.elementwise(site.op, site.operands, like)
    return None if made is None else FromBlocked()(made)


@blocks(Relu)
def _relu(site: Site) -> Value | None:
    """A convolution does it on the way, if nothing else needs what was there before."""
    x = site.inside(site.operands[0])
    if x is None:
        return None
    if site.once and isinstance(x, Result) and isinstance(x.call.op, BlockedConv):
        return FromBlocked()(replace(x.call.op, relu=True)(*x.call.inputs))
    return FromBlocked()(Relu()(x))


@blocks(ReduceSum, ReduceMean, ReduceMax)
def _reduction(site: Site) -> Value | None:
    """Over all pixels, by a pool with one window: what is left is small and, in the order of its elements, plain."""
    (plain,), op = site.operands, site.op
    x = site.inside(plain)
    axes = sorted(normalize_axis(axis, plain.rank) for axis in op.axes)
    window = [size for size in plain.shape[2:] if isinstance(size, int)]
    if x is None or axes not in ([2, 3], [0, 2, 3]) or len(window) < 2:
        return None
    sizes = (*window, 1)
    pool = MaxPool if isinstance(op, ReduceMax) else AveragePool
    each = reshape(pool(sizes, sizes, ((0, 0),) * 3)(x), (*plain.shape[:2], 1, 1))
    if isinstance(op, ReduceSum):
        each = mul(each, float(prod(window)))
    rest = tuple(axis for axis in axes if axis == 0)
    made = replace(op, axes=rest, keepdims=True)(each) if rest else each
    kept = kept_shape(plain.shape, axes)
    return reshape(made, kept if op.keepdims else [size for i, size in enumerate(kept) if i not in axes])


@blocks(Concat)
def _concat(site: Site) -> Value | None:
    fits = all(site.fits(value.shape[1]) for value in site.operands if value.rank == 4)
    if not fits or not _is_image(*(value.type for value in site.operands)) or site.op.axis % 4 == 0:
        return None
    if all(site.inside(value) is None for value in site.operands):
        return None
    return FromBlocked()(Concat(site.op.axis % 4)(*map(site.blocked, site.operands)))


@blocks(Repeat)
def _repeat(site: Site) -> Value | None:
    x, op = site.inside(site.operands[0]), site.op
    return None if x is None or op.counts[:2] != (1, 1) else FromBlocked()(Repeat((*op.counts, 1))(x))


@blocks(Slice)
def _slice(site: Site) -> Value | None:
    """Of pixels, and of channels by whole blocks, as the gradient of a concatenation takes them."""
    x, op = site.inside(site.operands[0]), site.op
    channels = (op.starts[1], op.stops[1])
    if x is None or op.steps[1] != 1 or not all(map(site.fits, channels)):
        return None
    first, last = (bound // site.block for bound in channels)
    starts, stops = (
        (*op.starts[:1], first, *op.starts[2:], 0),
        (*op.stops[:1], last, *op.stops[2:], site.block),
    )
    return FromBlocked()(Slice(starts, stops, (*op.steps, 1))(x))


@blocks(Transpose)
def _transpose(site: Site) -> Value | None:
    x = site.inside(site.operands[0])
    return FromBlocked(True)(x) if x is not None and site.op.perm == TO_LAST else None
