"""Scan: one function applied along an axis, handing carries from step to step.

`scan` traces a Python function into the body. Whatever the body uses from outside, and whatever in it does not depend
on the step, is computed once, outside, and handed in as an invariant operand: bodies are closed functions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import count

import numpy as np

from kgraph.errors import GraphError, ShapeError, describe
from kgraph.ir.dims import Dim, Shape, evaluate_shape
from kgraph.ir.graph import Call, Constant, Function, Input, Value, Variable, topological
from kgraph.ir.interpret import bind_inputs, run
from kgraph.ir.op import Gradients, Op, Sample, op
from kgraph.ir.types import Array, TensorType, normalize_axis
from kgraph.ir.verify import compatible
from kgraph.ops.elementwise import add, mul
from kgraph.ops.linalg import matmul
from kgraph.ops.pullback import pullback
from kgraph.ops.samples import floats
from kgraph.ops.shape import full

Step = Callable[[Sequence[Value], Sequence[Value]], tuple[Sequence[Value], Sequence[Value]]]


@op("scan")
class Scan(Op):
    """carries, sequences, invariants -> last carries, stacked outputs.

    For each position t of `axis` of the sequences, in order or, with `reverse`, from the last to the first:

        carries, outputs[t] = body(carries, sequences[t], invariants)

    The body takes its inputs in that order (`carries` and `sequences` count the first two kinds) and returns the new
    carries, of unchanged types, then the outputs of the step. Output t stands at position t of `axis`, whichever way
    time runs.
    """

    body: Function
    carries: int = 1
    sequences: int = 1
    reverse: bool = False
    axis: int = 0

    @property
    def outputs(self) -> int:
        """How many outputs a step has."""
        return len(self.body.outputs) - self.carries

    def infer(self, *types: TensorType) -> tuple[TensorType, ...]:
        leaves = self.body.inputs
        if len(types) != len(leaves) or not 0 < self.sequences <= len(leaves) - self.carries:
            raise ShapeError(
                describe(
                    "operands do not fit the body",
                    expected=f"{self.carries} carries, {self.sequences} sequences, {len(leaves)} in all",
                    got=len(types),
                )
            )
        length = self.length(types)
        stacked = slice(self.carries, self.carries + self.sequences)
        given = [*types[: self.carries], *map(self._drop_axis, types[stacked]), *types[stacked.stop :]]
        for leaf, type in zip(leaves, given, strict=True):
            if not compatible(leaf.type, type):
                raise ShapeError(
                    describe(f"operand {leaf.name!r} does not fit the body", expected=leaf.type, got=type)
                )
        made = [value.type for value in self.body.outputs.values()]
        for leaf, type in zip(leaves[: self.carries], made[: self.carries], strict=True):
            if not compatible(leaf.type, type):
                raise ShapeError(
                    describe(f"the step changes the type of {leaf.name!r}", expected=leaf.type, got=type)
                )
        steps = tuple(self._insert_axis(type, length) for type in made[self.carries :])
        return (*types[: self.carries], *steps)

    def length(self, types: Sequence[TensorType]) -> Dim:
        """The number of steps. Raises ShapeError when the sequences disagree about it."""
        sequences = types[self.carries : self.carries + self.sequences]
        lengths = [type.shape[normalize_axis(self.axis, type.rank, "scan axis")] for type in sequences]
        sizes = {length for length in lengths if isinstance(length, int)}
        if len(sizes) > 1:
            raise ShapeError(describe("sequences differ in length", expected=lengths[0], got=lengths))
        return sizes.pop() if sizes else lengths[0]

    def evaluate(self, *arrays: Array) -> tuple[Array, ...]:
        carries = list(arrays[: self.carries])
        end = self.carries + self.sequences
        sequences, invariants = arrays[self.carries : end], arrays[end:]
        sequences = tuple(np.moveaxis(sequence, self.axis, 0) for sequence in sequences)
        length = len(sequences[0])
        empty = [np.empty(sequence.shape[1:], sequence.dtype) for sequence in sequences]
        env = bind_inputs(self.body, [*carries, *empty, *invariants])
        stacks = [
            np.empty((length, *evaluate_shape(value.shape, env)), value.dtype)
            for value in list(self.body.outputs.values())[self.carries :]
        ]
        for t in reversed(range(length)) if self.reverse else range(length):
            slices = [sequence[t] for sequence in sequences]
            made = list(run(self.body, [*carries, *slices, *invariants])[0].values())
            carries = made[: self.carries]
            for stack, output in zip(stacks, made[self.carries :], strict=True):
                stack[t] = output
        return (*carries, *(np.moveaxis(stack, 0, self.axis) for stack in stacks))

    def vjp(self, call: Call, *gradients: Value | None) -> Gradients:
        return _Backward(self, call, gradients).cotangents()

    def _drop_axis(self, type: TensorType) -> TensorType:
        axis = normalize_axis(self.axis, type.rank, "scan axis")
        return type.with_shape(type.shape[:axis] + type.shape[axis + 1 :])

    def _insert_axis(self, type: TensorType, length: Dim) -> TensorType:
        axis = normalize_axis(self.axis, type.rank + 1, "scan axis")
        return type.with_shape((*type.shape[:axis], length, *type.shape[axis:]))

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        # Double precision, so that the gradient law can take the body as it is.
        def leaf(name: str, *shape: int) -> Input:
            return Input(name, TensorType("float64", shape))

        def arrays(*shapes: Shape) -> tuple[Array, ...]:
            return tuple(floats(*shape, low=-1, high=1, dtype="float64") for shape in shapes)  # type: ignore[arg-type]  # integers

        h, c, x, w = leaf("h", 2, 3), leaf("c", 2, 3), leaf("x", 2, 3), leaf("w", 3, 3)
        new = add(mul(matmul(h, w), 0.5), x)
        decay = Function("decay", (h, x, w), {"h": new, "y": mul(new, h)})
        yield Sample(cls(decay), arrays((2, 3), (4, 2, 3), (3, 3)))
        yield Sample(cls(decay, reverse=True, axis=1), arrays((2, 3), (2, 4, 3), (3, 3)))
        pair = Function("pair", (h, c, x), {"h": mul(c, x), "c": add(c, h)})
        yield Sample(cls(pair, carries=2), arrays((2, 3), (2, 3), (4, 2, 3)))
        yield Sample(cls(Function("map", (x, w), {"y": matmul(x, w)}), carries=0), arrays((4, 2, 3), (3, 3)))


def scan(
    step: Step,
    initial: Sequence[Value],
    sequences: Sequence[Value],
    *,
    reverse: bool = False,
    axis: int = 0,
    name: str = "step",
) -> tuple[tuple[Value, ...], tuple[Value, ...]]:
    """Trace `step(carries, slices) -> (new carries, outputs)` and scan it along `axis` of the sequences.

    `initial` holds the first carries. Returns (last carries, stacked outputs); output t stands at position t even with
    `reverse`, which walks from the last position to the first. The step may use any value from outside, weights among
    them. Calls in it that depend on neither a carry nor a slice are made once, before the scan; so a random mask drawn
    in the step is the same at every step. At least one sequence gives the number of steps. Raises ShapeError when a new
    carry differs in type from the one it replaces.
    """
    if not sequences:
        raise GraphError(describe("a scan needs a sequence to walk along", expected="at least one", got=0))
    carries = [Input(f"carry{i}", value.type) for i, value in enumerate(initial)]
    slices = []
    for i, value in enumerate(sequences):
        at = normalize_axis(axis, value.rank, "scan axis")
        slices.append(Input(f"slice{i}", value.type.with_shape(value.shape[:at] + value.shape[at + 1 :])))
    new, outputs = step(carries, slices)
    if len(new) != len(carries):
        raise GraphError(
            describe("the step returns another number of carries", expected=len(carries), got=len(new))
        )
    named = {f"next{i}": value for i, value in enumerate(new)}
    named |= {f"output{i}": value for i, value in enumerate(outputs)}
    # What each step starts from: the gradient reads it, and a pass drops it where nothing does.
    named |= {f"saved{i}": leaf for i, leaf in enumerate(carries)}
    body, captured = close(Function(name, (*carries, *slices), named))
    made = Scan(body, len(carries), len(slices), reverse, axis).apply(*initial, *sequences, *captured)
    return made[: len(carries)], made[len(carries) : len(carries) + len(outputs)]


def close(function: Function) -> tuple[Function, list[Value]]:
    """The function with every outer value that it uses as a further input, and those values.

    Outer is what does not depend on an input; constants stay inside.
    """
    inner: set[Value] = set(function.inputs)
    used: dict[Value, None] = {}
    for call in function.calls():
        if any(value in inner for value in call.inputs):
            inner.update(call.results)
            used.update(dict.fromkeys(call.inputs))
    used.update(dict.fromkeys(function.outputs.values()))
    captured = [value for value in used if value not in inner and not isinstance(value, Constant)]
    fresh = _Fresh(function.inputs)
    leaves = [
        fresh(value.name if isinstance(value, Input | Variable) else "captured", value.type)
        for value in captured
    ]
    closed = function.replace(dict(zip(captured, leaves, strict=True))) if captured else function
    return replace(closed, inputs=(*function.inputs, *leaves)), captured


class _Fresh:
    """Makes inputs with names that are not taken yet."""

    def __init__(self, leaves: Iterable[Input]) -> None:
        self._taken = {leaf.name for leaf in leaves}

    def __call__(self, name: str, type: TensorType) -> Input:
        names = (f"{name}.{i}" if i else name for i in count())
        free = next(candidate for candidate in names if candidate not in self._taken)
        self._taken.add(free)
        return Input(free, type)


class _Backward:
    """The gradient of a scan: a scan the other way round over the pullback of the body.

    The cotangents of the carries are carried; those of the slices and what the invariants' are summed from are outputs.
    """

    def __init__(self, scan: Scan, call: Call, gradients: Sequence[Value | None]) -> None:
        self.scan, self.call, self.gradients = scan, call, gradients
        self.fresh = _Fresh(scan.body.inputs)

    def cotangents(self) -> Gradients:
        body, n = self.scan.body, self.scan.carries
        made = list(body.outputs.values())
        # A leaf of the backward body for the cotangent of each result of the forward body that has one.
        arriving = {
            i: self.fresh(f"d.{key}", value.type)
            for i, (key, value) in enumerate(body.outputs.items())
            if self.gradients[i] is not None
        }
        found: list[Value | None]
        while True:
            found = pullback(made, [arriving.get(i) for i in range(len(made))], body.inputs)
            missing = [i for i in range(n) if found[i] is not None and i not in arriving]
            if not missing:
                break
            for i in missing:  # a cotangent that starts as zero and grows on the way
                arriving[i] = self.fresh(f"d.{body.inputs[i].name}", made[i].type)
        return self._emit(arriving, found)

    def _emit(self, arriving: dict[int, Input], found: Sequence[Value | None]) -> Gradients:
        op, body, n = self.scan, self.scan.body, self.scan.carries
        end = n + op.sequences
        carried = [i for i in range(n) if i in arriving]
        stepwise = [i for i in range(n, end) if found[i] is not None]
        summed = [i for i in range(end, len(body.inputs)) if found[i] is not None]

        outputs: dict[str, Value] = {}
        for i in carried:
            outputs[f"next{i}"] = self._or_zero(found[i], body.inputs[i])
        totals = {i: self.fresh(f"sum.{body.inputs[i].name}", body.inputs[i].type) for i in summed}
        for i in summed:
            outputs[f"total{i}"] = add(totals[i], self._or_zero(found[i], body.inputs[i]))
        for i in stepwise:
            outputs[f"slice{i}"] = self._or_zero(found[i], body.inputs[i])

        leaves = [arriving[i] for i in carried] + list(totals.values())
        initial = [self._arrived(i) for i in carried]
        initial += [full(leaf.shape, 0.0, leaf.dtype) for leaf in totals.values()]
        arrived = {leaf: self.gradients[i] for i, leaf in arriving.items() if i >= n}
        sequences = {leaf: value for leaf, value in arrived.items() if value is not None}
        sequences |= dict(zip(body.inputs[n:end], self.call.inputs[n:end], strict=True))
        sequences |= dict(zip(body.inputs[:n], self._saved(), strict=True))
        invariants = dict(zip(body.inputs[end:], self.call.inputs[end:], strict=True))

        used = _used_leaves(outputs.values())
        if not any(leaf in used for leaf in sequences):
            used.add(next(iter(sequences)))  # something has to give the number of steps
        sequences = {leaf: value for leaf, value in sequences.items() if leaf in used}
        invariants = {leaf: value for leaf, value in invariants.items() if leaf in used}
        function = Function(f"{body.name}.backward", (*leaves, *sequences, *invariants), outputs)
        backward = Scan(function, len(leaves), len(sequences), not op.reverse, op.axis)
        results = backward.apply(*initial, *sequences.values(), *invariants.values())
        by_operand = dict(zip([*carried, *summed, *stepwise], results, strict=True))
        return [by_operand.get(i) for i in range(len(body.inputs))]

    def _arrived(self, i: int) -> Value:
        given = self.gradients[i]
        leaf = self.scan.body.inputs[i]
        return full(self.call.inputs[i].shape, 0.0, leaf.dtype) if given is None else given

    def _or_zero(self, value: Value | None, leaf: Input) -> Value:
        return full(leaf.shape, 0.0, leaf.dtype) if value is None else value

    def _saved(self) -> list[Value]:
        """The carries that each step started from, stacked; a second forward scan gives those that were not kept."""
        op, body, n = self.scan, self.scan.body, self.scan.carries
        kept = list(body.outputs.values())[n:]
        lacking = [leaf for leaf in body.inputs[:n] if leaf not in kept]
        results: tuple[Value, ...] = self.call.results
        if lacking:
            extra = {f"saved.{leaf.name}": leaf for leaf in lacking}
            wider = replace(body, outputs={**body.outputs, **extra})
            results = replace(op, body=wider).apply(*self.call.inputs)
            kept += lacking
        return [results[n + kept.index(leaf)] for leaf in body.inputs[:n]]


def _used_leaves(values: Iterable[Value]) -> set[Value]:
    roots = list(values)
    return {value for call in topological(roots) for value in call.inputs} | set(roots)
