"""Updates of optimizers, such as v' = a v + z and w' = w + z, in one pass over z where it lies.

The runtime's elementwise kernels work on four numbers at a time, and need two passes for a product and a sum. Its
convolution kernels work on sixteen, and one with a window of one pixel adds a v to what is in its place already. So z
is written into the buffer of v', and the kernel makes v' of it there: `begun_as` says for whom z is meant. A step of a
dense network with RMSprop takes a twentieth less time, and every bit is the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from math import prod

from kgraph.ir.graph import Call, Function, Input, Result, Value, Variable, transform
from kgraph.ir.op import Op
from kgraph.ir.types import TensorType
from kgraph.ops.base import as_value
from kgraph.ops.broadcast import Reshape, reshape
from kgraph.ops.elementwise import Add, Div, Mul, Sub, div, mul, neg
from kgraph.ops.scan import Scan
from kgraph.passes.base import Pass, register
from kgraph.plugins.onnx.blocked.ops import BlockedAxpy

_WORTH = 1 << 15
"""The number of elements from which it saves time."""

_MOST_ROWS = 64
"""Rows are what threads share; long ones are quick."""


@register("axpy_updates")
@dataclass(frozen=True)
class AxpyUpdates(Pass):
    """v a + z -> axpy(a, v, z);  v a - y s -> axpy(a, v, y (-s));  v a - y s / d -> axpy(a, v, y (-s) / d);

    for the new values of variables, here and in the steps of a scan; v is a leaf, a and s are numbers, a may be 1, and
    nothing else reads z, y s and their quotient.
    """

    block: int = 16

    def __call__(self, function: Function, hits: Counter[str]) -> Function:
        new = [_stored(value) for value in function.updates.values()]
        function = self._in_place(function, new, hits)

        def visit(call: Call, inputs: tuple[Value, ...]) -> Sequence[Value] | None:
            if not isinstance(call.op, Scan):
                return None
            made = list(call.op.body.outputs.values())
            found = [_stored(made[r.index]) for r in call.results[call.op.carries :] if r in updates]
            body = self._in_place(call.op.body, found, hits)
            if body is call.op.body:
                return None
            begun = [value for value in map(_begun, body.outputs.values()) if value is not None]
            outputs = {**body.outputs, **{f"begun{i}": value for i, value in enumerate(begun)}}
            return replace(call.op, body=replace(body, outputs=outputs)).apply(*inputs)[: len(made)]

        updates = {_stored(value) for value in function.updates.values()}
        return transform(function, visit)

    def _in_place(self, function: Function, sums: Iterable[Value], hits: Counter[str]) -> Function:
        """The function with those sums that suit as axpys."""
        readers = Counter(value for call in function.calls() for value in set(call.inputs))
        readers.update(function.roots)
        suiting: set[Call] = set()
        for value in sums:
            if isinstance(value, Result) and self._suits(value.type):
                terms = _terms(value.call.op, value.call.inputs)
                if terms is not None and all(
                    readers[each] == 1 for each in _made_anew(value.call.op, terms[2])
                ):
                    suiting.add(value.call)

        def visit(call: Call, inputs: tuple[Value, ...]) -> Sequence[Value] | None:
            terms = _terms(call.op, inputs) if call in suiting else None
            if terms is None:
                return None
            hits["axpys"] += 1
            a, x, z = terms
            if isinstance(call.op, Sub):
                z = _negated(z)
            image = self._image(x.type)
            return (reshape(BlockedAxpy()(a, reshape(x, image), reshape(z, image)), x.shape),)

        return transform(function, visit) if suiting else function

    def _suits(self, type: TensorType) -> bool:
        if type.dtype != "float32" or not type.is_static:
            return False
        count = prod(type.static_shape)
        return count >= _WORTH and count % self.block == 0

    def _image(self, type: TensorType) -> tuple[int, ...]:
        """The elements as pixels of one image with one block of channels."""
        pixels = prod(type.static_shape) // self.block
        rows = max(rows for rows in range(1, _MOST_ROWS + 1) if pixels % rows == 0)
        return (1, 1, rows, pixels // rows, self.block)


def begun_as(value: Value) -> Value | None:
    """What the new value of a variable is made of in place: it belongs into the same buffer. None for most."""
    stored = _stored(value)
    if not isinstance(stored, Result) or not isinstance(stored.call.op, Scan):
        return _begun(stored)
    made = list(stored.call.op.body.outputs.values())
    begun = _begun(made[stored.index])
    return None if begun is None or begun not in made else stored.call.results[made.index(begun)]


def _begun(value: Value) -> Value | None:
    """The z of a x + z."""
    value = _stored(value)
    if isinstance(value, Result) and isinstance(value.call.op, BlockedAxpy):
        return _stored(value.call.inputs[2])
    return None


def _stored(value: Value) -> Value:
    """A value before it was reshaped: the same elements in the same order."""
    while isinstance(value, Result) and isinstance(value.call.op, Reshape):
        value = value.call.inputs[0]
    return value


def _terms(op: Op, inputs: Sequence[Value]) -> tuple[Value, Value, Value] | None:
    """(a, x, z) of x a + z, or of x a - z with a z that can be negated; None for other ops and operands."""
    if not isinstance(op, Add | Sub):
        return None
    for term, z in (inputs,) if isinstance(op, Sub) else (inputs, inputs[::-1]):
        x, a = _scaled(term) or (term, as_value(1.0, term.dtype))
        if not isinstance(x, Variable | Input) or x.type != z.type:
            continue
        # What was reshaped lies where its operand does, and that may have other readers.
        if isinstance(z, Result) and not isinstance(z.call.op, Reshape):
            return (a, x, z) if isinstance(op, Add) or _factor(z) is not None else None
    return None


def _made_anew(op: Op, z: Value) -> Iterator[Value]:
    """What is made otherwise than before, or written over, when z is added in place, or subtracted."""
    yield z
    if isinstance(op, Sub) and isinstance(z, Result) and isinstance(z.call.op, Div):
        yield z.call.inputs[0]


def _factor(z: Value) -> tuple[Value, Value] | None:
    """(y, s) of y s and of y s / d, for arrays y and d and a number s."""
    if isinstance(z, Result) and isinstance(z.call.op, Div):
        return _scaled(z.call.inputs[0])
    return _scaled(z)


def _negated(z: Value) -> Value:
    """y (-s) for z = y s, and y (-s) / d for y s / d."""
    factor = _factor(z)
    assert isinstance(z, Result)
    assert factor is not None
    y, s = factor
    return div(mul(y, neg(s)), z.call.inputs[1]) if isinstance(z.call.op, Div) else mul(y, neg(s))


def _scaled(value: Value) -> tuple[Value, Value] | None:
    """(y, s) of y s for an array y and a number s."""
    if not isinstance(value, Result) or not isinstance(value.call.op, Mul):
        return None
    y, s = sorted(value.call.inputs, key=lambda operand: -operand.rank)
    return (y, s) if s.rank == 0 < y.rank else None
