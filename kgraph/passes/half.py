"""Half precision: weights and arithmetic in float16, where float16 can hold them.

float16 has 11 bits and ends at 65504. What needs more stays in float32, with casts around it: ops that add up or
amplify (`WIDE`), integers that are kept as floats, scalars that float16 would lose (an epsilon of 1e-7 is 0.8 ulp),
weights beyond its range, and, given the magnitudes that values have on real data, everything that comes near its end.
Inputs, outputs and state keep their types unless they are asked for in half precision as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from kgraph.errors import ShapeError
from kgraph.ir.graph import Call, Constant, Function, Input, Value, exact_scope
from kgraph.ir.interpret import bind_inputs, evaluate_values
from kgraph.ir.op import Op, nested_functions
from kgraph.ir.types import SIGNED, UNSIGNED, Array
from kgraph.ops import activations, broadcast, elementwise, indexing, norm, reduce, shape
from kgraph.ops.logic import Cast, cast

WIDE: frozenset[type[Op]] = frozenset(
    {
        activations.LogSoftmax,
        activations.Softmax,
        broadcast.ReduceSum,
        elementwise.Exp,
        elementwise.Log,
        elementwise.Pow,
        elementwise.Reciprocal,
        indexing.AddAlongAxis,
        norm.LayerNorm,
        reduce.CumSum,
        reduce.ReduceMean,
        reduce.ReduceProd,
        shape.DimValue,
        shape.Iota,
        shape.ScatterAdd,
    }
)
"""Ops that add up many numbers, amplify small differences, or count."""

LARGEST = float(np.finfo(np.float16).max)
HEADROOM = 8.0
"""Values this far below the end of float16 are safe from other data than that which was measured."""
_LOST = 1e-2


def halve(
    function: Function,
    magnitudes: Mapping[Value, float] | None = None,
    inputs: bool = False,
    outputs: bool = False,
) -> Function:
    """A function whose weights are constants, in float16 as far as that is sane.

    `magnitudes` are the largest absolute values seen (see `measure`). `inputs` and `outputs` ask for float16 there too.
    """
    return _Halving(magnitudes or {}, inputs).run(function, outputs)


def measure(function: Function, batches: Iterable[Sequence[Array]]) -> dict[Value, float]:
    """The largest absolute value that each floating-point value of a function takes, over batches of inputs."""
    largest: dict[Value, float] = {}

    def see(value: Value, array: Array) -> None:
        if value.type.is_float:
            largest[value] = max(largest.get(value, 0.0), _largest(array))

    state: dict[Value, Array] = {v: v.storage.read() for v in function.variables()}
    for arrays in batches:
        values = {**dict[Value, Array](zip(function.inputs, arrays, strict=True)), **state}
        for value, array in values.items():
            see(value, array)
        evaluate_values(function.roots, values, bind_inputs(function, arrays), see)
    return largest


class _Halving:
    """Each value of the old function as a wide one, a half one, or both, made when first asked for."""

    def __init__(self, magnitudes: Mapping[Value, float], half_inputs: bool) -> None:
        self._magnitudes = magnitudes
        self._half_inputs = half_inputs
        self._wide: dict[Value, Value] = {}
        self._half: dict[Value, Value] = {}

    def run(self, function: Function, half_outputs: bool) -> Function:
        inputs = tuple(self._declare(leaf) for leaf in function.inputs)
        for call in function.calls():
            with exact_scope(call.where):
                self._visit(call)
        as_output = self.half if half_outputs else self.wide
        outputs = {name: as_output(value) for name, value in function.outputs.items()}
        updates = {variable: self.wide(value) for variable, value in function.updates.items()}
        return Function(function.name, inputs, outputs, updates)

    def _declare(self, leaf: Input) -> Input:
        if not self._half_inputs or leaf.dtype != "float32":
            return leaf
        made = Input(leaf.name, leaf.type.with_dtype("float16"))
        self._half[leaf] = made
        return made

    def wide(self, value: Value) -> Value:
        """The new value in the type that the old one has."""
        if value not in self._wide:
            made = self._half.get(value)
            self._wide[value] = value if made is None else cast(made, value.dtype)
        return self._wide[value]

    def half(self, value: Value) -> Value:
        """The new value in float16, if the old one is float32."""
        if value.dtype != "float32":
            return self.wide(value)
        if value not in self._half:
            self._half[value] = (
                Constant(_rounded(value.array), value.name)
                if isinstance(value, Constant)
                else cast(self.wide(value), "float16")
            )
        return self._half[value]

    def _visit(self, call: Call) -> None:
        made = None if self._stays(call) else self._halved(call)
        if made is None:
            made = call.op.apply(*map(self.wide, call.inputs))
        for old, new in zip(call.results, made, strict=True):
            (self._wide if new.dtype == old.dtype else self._half)[old] = new

    def _halved(self, call: Call) -> tuple[Value, ...] | None:
        """The call on float16, or None when the op has no such form."""
        op = call.op
        narrower = {"dtype": "float16"} if op.attributes().get("dtype") == "float32" else {}
        op = replace(op, **narrower)
        try:
            made = op.apply(*map(self.half, call.inputs))
        except ShapeError:
            return None
        kept = {"float16" if result.dtype == "float32" else result.dtype for result in call.results}
        return made if {result.dtype for result in made} == kept else None

    def _stays(self, call: Call) -> bool:
        values = [*call.inputs, *call.results]
        if not any(value.dtype == "float32" for value in values) or type(call.op) in WIDE:
            return True
        if nested_functions(call.op) or (isinstance(call.op, Cast) and _counts(call)):
            return True
        return any(not self._fits(value) for value in values if value.dtype == "float32")

    def _fits(self, value: Value) -> bool:
        if isinstance(value, Constant):
            return _fits_constant(value.array)
        return bool(self._magnitudes.get(value, 0.0) * HEADROOM <= LARGEST)


def _counts(call: Call) -> bool:
    """Whether a cast reads floats as integers, or integers as floats: a number above 2048 would not survive."""
    (x,), (y,) = call.inputs, call.results
    integers = SIGNED | UNSIGNED
    return x.dtype in integers or y.dtype in integers


def _fits_constant(array: Array) -> bool:
    """Whether float16 holds a constant: no number beyond its range, and scalars nearly as they were.

    An infinity stays one; a weight so small that it becomes zero is lost in the sums it goes into anyway.
    """
    finite = array[np.isfinite(array)]
    if _largest(finite) > LARGEST:
        return False
    if array.size == 1 and finite.size:
        number = float(finite.reshape(-1)[0])
        return abs(float(np.float16(number)) - number) <= _LOST * abs(number)
    return True


def _rounded(array: Array) -> Array:
    with np.errstate(all="ignore"):
        return array.astype("float16")


def _largest(array: Array) -> float:
    """The largest absolute value; infinite where there is something that is no number."""
    largest = float(np.max(np.abs(array), initial=0.0))
    return largest if np.isfinite(largest) else float("inf")


__all__ = ["HEADROOM", "LARGEST", "WIDE", "halve", "measure"]
