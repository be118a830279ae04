"""Scan: one function applied step by step along sequences, handing carries from step to step.

`scan` traces a Python function into the body. Whatever the body uses from outside, and whatever in it does not depend
on the step, is computed once, outside, and handed in as an invariant operand: bodies are closed functions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import count

import numpy as np

from kgraph.errors import GraphError, ShapeError, describe
from kgraph.ir.dims import Dim, Shape, Sym, evaluate_shape, product, symbol_name
from kgraph.ir.graph import Call, Constant, Function, Input, Result, Value, Variable, topological, transform
from kgraph.ir.interpret import bind_inputs, run
from kgraph.ir.op import Gradients, Op, Sample, op
from kgraph.ir.types import Array, TensorType, normalize_axis
from kgraph.ir.verify import compatible
from kgraph.ops.broadcast import ReduceSum, Reshape, reshape
from kgraph.ops.elementwise import Add, add, mul
from kgraph.ops.linalg import MatMul, matmul
from kgraph.ops.pullback import pullback
from kgraph.ops.samples import floats
from kgraph.ops.shape import full, transpose

Step = Callable[[Sequence[Value], Sequence[Value]], tuple[Sequence[Value], Sequence[Value]]]


@op("scan")
class Scan(Op):
    """carries, sequences [T, ...], invariants -> last carries, stacked outputs [T, ...].

    For each position t, in order or, with `reverse`, from the last to the first:

        carries, outputs[t] = body(carries, sequences[t], invariants)

    The body takes its inputs in that order (`carries` and `sequences` count the first two kinds) and returns the new
    carries, of unchanged types, then the outputs of the step. Output t stands at position t, whichever way time runs.
    """

    body: Function
    carries: int = 1
    sequences: int = 1
    reverse: bool = False

    @property
    def outputs(self) -> int:
        """How many outputs a step has."""
        return len(self.body.outputs) - self.carries

    def infer(self, *types: TensorType) -> tuple[TensorType, ...]:
        leaves, n, end = self.body.inputs, self.carries, self.carries + self.sequences
        if len(types) != len(leaves) or not n < end <= len(leaves):
            raise ShapeError(
                describe(
                    "operands do not fit the body",
                    expected=f"{n} carries, {self.sequences} sequences, {len(leaves)} in all",
                    got=len(types),
                )
            )
        length = self._length(types[n:end])
        given = [*types[:n], *(type.with_shape(type.shape[1:]) for type in types[n:end]), *types[end:]]
        for leaf, type in zip(leaves, given, strict=True):
            if not compatible(leaf.type, type):
                raise ShapeError(
                    describe(f"operand {leaf.name!r} does not fit the body", expected=leaf.type, got=type)
                )
        made = [value.type for value in self.body.outputs.values()]
        for leaf, type in zip(leaves[:n], made[:n], strict=True):
            if not compatible(leaf.type, type):
                raise ShapeError(
                    describe(f"the step changes the type of {leaf.name!r}", expected=leaf.type, got=type)
                )
        return (*types[:n], *(type.with_shape((length, *type.shape)) for type in made[n:]))

    def _length(self, sequences: Sequence[TensorType]) -> Dim:
        if any(type.rank == 0 for type in sequences):
            raise ShapeError(describe("a scalar is no sequence", expected="[time, ...]", got=sequences))
        lengths = [type.shape[0] for type in sequences]
        sizes = {length for length in lengths if isinstance(length, int)}
        if len(sizes) > 1:
            raise ShapeError(describe("sequences differ in length", expected=lengths[0], got=lengths))
        return sizes.pop() if sizes else lengths[0]

    def resolve(self, env: Mapping[str, int]) -> Op:
        """The scan with the sizes in `env` in its body, which shares the symbols of the graph around it, where its own
        leaves do not bind them: of a batch that was folded they have [2*batch].
        """
        dims = [dim for leaf in self.body.inputs for dim in leaf.shape]
        bound = {symbol_name(dim) for dim in dims}
        free = {name for dim in (*dims, *_dims_of_calls(self.body)) for name in _symbols(dim)} - bound
        return replace(self, body=_with_sizes(self.body, env)) if free else self

    def evaluate(self, *arrays: Array) -> tuple[Array, ...]:
        n, end = self.carries, self.carries + self.sequences
        carries, sequences, invariants = list(arrays[:n]), arrays[n:end], arrays[end:]
        length = len(sequences[0])
        empty = [np.empty(sequence.shape[1:], sequence.dtype) for sequence in sequences]
        env = bind_inputs(self.body, [*carries, *empty, *invariants])
        stacks = [
            np.empty((length, *evaluate_shape(value.shape, env)), value.dtype)
            for value in list(self.body.outputs.values())[n:]
        ]
        for t in reversed(range(length)) if self.reverse else range(length):
            slices = [sequence[t] for sequence in sequences]
            made = list(run(self.body, [*carries, *slices, *invariants])[0].values())
            carries = made[:n]
            for stack, output in zip(stacks, made[n:], strict=True):
                stack[t] = output
        return (*carries, *stacks)

    def vjp(self, call: Call, *gradients: Value | None) -> Gradients:
        return _Backward(self, call, gradients).cotangents()

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
        for reverse in (False, True):
            yield Sample(cls(decay, reverse=reverse), arrays((2, 3), (4, 2, 3), (3, 3)))
        pair = Function("pair", (h, c, x), {"h": mul(c, x), "c": add(c, h)})
        yield Sample(cls(pair, carries=2), arrays((2, 3), (2, 3), (4, 2, 3)))
        map_ = Function("map", (x, w), {"y": matmul(x, w)})
        yield Sample(cls(map_, carries=0), arrays((4, 2, 3), (3, 3)))


def scan(
    step: Step,
    initial: Sequence[Value],
    sequences: Sequence[Value],
    *,
    reverse: bool = False,
    axis: int = 0,
    keep: bool = True,
    name: str = "step",
) -> tuple[tuple[Value, ...], tuple[Value, ...]]:
    """Trace `step(carries, slices) -> (new carries, outputs)` and scan it along `axis` of the sequences.

    `initial` holds the first carries. Returns (last carries, stacked outputs); output t stands at position t of `axis`
    even with `reverse`, which walks from the last position to the first. The step may use any value from outside,
    weights among them. Calls in it that depend on neither a carry nor a slice are made once, before the scan; so a
    random mask drawn in the step is the same at every step. At least one sequence gives the number of steps. With
    `keep`, the scan has everything that a step makes as further outputs, for the gradient to read; without it, the
    gradient computes them again. Raises ShapeError when a new carry differs in type from the one it replaces.
    """
    if not sequences:
        raise GraphError(describe("a scan needs a sequence to walk along", expected="at least one", got=0))
    stacked = [_move_axis(value, axis, 0) for value in sequences]
    carries = [Input(f"carry{i}", value.type) for i, value in enumerate(initial)]
    slices = [Input(f"slice{i}", value.type.with_shape(value.shape[1:])) for i, value in enumerate(stacked)]
    new, outputs = step(carries, slices)
    if len(new) != len(carries):
        raise GraphError(
            describe("the step returns another number of carries", expected=len(carries), got=len(new))
        )
    named = {f"next{i}": value for i, value in enumerate(new)}
    named |= {f"output{i}": value for i, value in enumerate(outputs)}
    body, captured = close(Function(name, (*carries, *slices), named))
    if keep:
        body = _keep_everything(body, len(carries))
    node = Scan(body, len(carries), len(slices), reverse)
    made = node.apply(*initial, *stacked, *captured)
    kept = made[len(carries) : len(carries) + len(outputs)]
    return made[: len(carries)], tuple(_move_axis(value, 0, axis) for value in kept)


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
    fresh = Fresh(function.inputs)
    leaves = [
        fresh(value.name if isinstance(value, Input | Variable) else "captured", value.type)
        for value in captured
    ]
    closed = function.replace(dict(zip(captured, leaves, strict=True))) if captured else function
    return replace(closed, inputs=(*function.inputs, *leaves)), captured


def _with_sizes(function: Function, env: Mapping[str, int]) -> Function:
    """The function with symbols replaced by their sizes."""
    leaves: dict[Value, Value] = {
        leaf: Input(leaf.name, leaf.type.with_shape(evaluate_shape(leaf.shape, env)))
        for leaf in function.inputs
    }

    def visit(call: Call, inputs: tuple[Value, ...]) -> Sequence[Value] | None:
        op = call.op.resolve(env)
        return None if op is call.op else op.apply(*inputs)

    return transform(function, visit, leaves)


def _dims_of_calls(function: Function) -> Iterator[Dim]:
    """Every dimension in the types of results and among the attributes."""
    for call in function.calls():
        yield from (dim for result in call.results for dim in result.shape)
        pending = list(call.op.attributes().values())
        while pending:
            item = pending.pop()
            if isinstance(item, tuple):
                pending += item
            elif isinstance(item, Sym):
                yield item


def _symbols(dim: Dim) -> frozenset[str]:
    return dim.symbols() if isinstance(dim, Sym) else frozenset()


def used_leaves(values: Iterable[Value]) -> set[Value]:
    """Every value that the calls behind `values` take, and `values` themselves."""
    roots = list(values)
    return {value for call in topological(roots) for value in call.inputs} | set(roots)


class Fresh:
    """Makes inputs with names that are not taken yet."""

    def __init__(self, leaves: Iterable[Input]) -> None:
        self._taken = {leaf.name for leaf in leaves}

    def __call__(self, name: str, type: TensorType) -> Input:
        names = (f"{name}.{i}" if i else name for i in count())
        free = next(candidate for candidate in names if candidate not in self._taken)
        self._taken.add(free)
        return Input(free, type)


def _keep_everything(body: Function, carries: int) -> Function:
    """The body with each carry it starts from and each value it makes as a further output.

    The gradient reads those that it needs instead of computing them again; a pass drops those that nothing reads.
    """
    results = [result for call in body.calls() for result in call.results]
    present = set(list(body.outputs.values())[carries:])
    kept = [value for value in (*body.inputs[:carries], *results) if value not in present]
    return replace(body, outputs={**body.outputs, **{f"kept{i}": value for i, value in enumerate(kept)}})


def _move_axis(x: Value, source: int, target: int) -> Value:
    source, target = (normalize_axis(axis, x.rank, "scan axis") for axis in (source, target))
    rest = [axis for axis in range(x.rank) if axis != source]
    return transpose(x, [*rest[:target], source, *rest[target:]])


class _Backward:
    """The gradient of a scan: a scan the other way round over the pullback of the body.

    The cotangents of the carries are carried, those of the slices are outputs. Where the cotangent of an invariant is a
    sum over the steps of products a_t^T b_t, as for weights, a and b are outputs, and one product over all steps
    follows; other sums are carried.
    """

    def __init__(self, scan: Scan, call: Call, gradients: Sequence[Value | None]) -> None:
        self.scan, self.call, self.gradients = scan, call, gradients
        self.fresh = Fresh(scan.body.inputs)
        self.residuals: dict[Value, Input] = {}
        """Leaves of the backward body that stand for values which the forward body kept."""
        self.sums = _Sums(self.fresh)

    def cotangents(self) -> Gradients:
        body, n = self.scan.body, self.scan.carries
        made = list(body.outputs.values())
        # A leaf of the backward body for the cotangent of each result of the forward body that has one.
        arriving = {
            i: self.fresh(f"d.{key}", value.type)
            for i, (key, value) in enumerate(body.outputs.items())
            if self.gradients[i] is not None
        }
        while True:
            found = pullback(made, [arriving.get(i) for i in range(len(made))], body.inputs)
            missing = [i for i in range(n) if found[i] is not None and i not in arriving]
            if not missing:
                return self._emit(arriving, found)
            for i in missing:  # a cotangent that starts as zero and grows on the way
                arriving[i] = self.fresh(f"d.{body.inputs[i].name}", made[i].type)

    def _emit(self, arriving: dict[int, Input], found: Sequence[Value | None]) -> Gradients:
        op, body, n = self.scan, self.scan.body, self.scan.carries
        end = n + op.sequences
        carried = [i for i in range(n) if i in arriving]
        totals = {i: self.sums.add(value) for i, value in enumerate(found) if i >= end and value is not None}
        slices = {f"slice{i}": value for i, value in enumerate(found[:end]) if i >= n and value is not None}
        outputs: dict[str, Value] = {
            f"next{i}": full(leaf.shape, 0.0, leaf.dtype) if value is None else value
            for i, leaf, value in zip(range(n), body.inputs, found, strict=False)
            if i in arriving
        }
        outputs |= self.sums.carried() | slices | self.sums.stacked()

        kept = self._kept()
        self.residuals = {value: self.fresh(f"kept{k}", value.type) for k, value in enumerate(kept)}
        leaves = [arriving[i] for i in carried] + self.sums.leaves
        initial = [self._arrived(i) for i in carried] + self.sums.zeros()
        arrived = {leaf: self.gradients[i] for i, leaf in arriving.items() if i >= n}
        sequences = {leaf: value for leaf, value in arrived.items() if value is not None}
        sequences |= dict(zip(body.inputs[n:end], self.call.inputs[n:end], strict=True))
        sequences |= {self.residuals[value]: stack for value, stack in kept.items()}
        invariants = dict(zip(body.inputs[end:], self.call.inputs[end:], strict=True))

        function = Function(f"{body.name}.backward", (), outputs).replace(self.residuals)
        used = used_leaves(function.roots)
        if not any(leaf in used for leaf in sequences):
            used.add(next(iter(sequences)))  # something has to give the number of steps
        sequences = {leaf: value for leaf, value in sequences.items() if leaf in used}
        invariants = {leaf: value for leaf, value in invariants.items() if leaf in used}
        function = replace(function, inputs=(*leaves, *sequences, *invariants))
        backward = Scan(function, len(leaves), len(sequences), not op.reverse)
        results = backward.apply(*initial, *sequences.values(), *invariants.values())
        by_name = dict(zip(outputs, results, strict=True))
        return [
            totals[i](by_name) if i in totals else by_name.get(f"next{i}" if i < n else f"slice{i}")
            for i in range(len(body.inputs))
        ]

    def _arrived(self, i: int) -> Value:
        given = self.gradients[i]
        leaf = self.scan.body.inputs[i]
        return full(self.call.inputs[i].shape, 0.0, leaf.dtype) if given is None else given

    def _kept(self) -> dict[Value, Value]:
        """Values of the forward body and their stacks: what it put out, and the carries that each step started from."""
        op, body, n = self.scan, self.scan.body, self.scan.carries
        kept: dict[Value, Value] = {}
        kept.update(zip(list(body.outputs.values())[n:], self.call.results[n:], strict=True))
        lacking = {f"kept.{leaf.name}": leaf for leaf in body.inputs[:n] if leaf not in kept}
        if lacking:
            wider = replace(op, body=replace(body, outputs={**body.outputs, **lacking}))
            again = wider.apply(*self.call.inputs)
            kept |= dict(zip(lacking.values(), again[len(body.outputs) :], strict=True))
        return {
            value: stack
            for value, stack in kept.items()
            if isinstance(value, Result) or value in body.inputs[:n]
        }


Total = Callable[[dict[str, Value]], Value]


class _Sums:
    """Sums over the steps, each from outputs of the backward body that are stacked or carried."""

    def __init__(self, fresh: Fresh) -> None:
        self.fresh = fresh
        self.leaves: list[Input] = []
        self._terms: list[Value] = []
        self._stacked: dict[Value, str] = {}

    def add(self, term: Value) -> Total:
        """Enter the term of one step; from the results of the scan, the answer gives the sum."""
        call = term.call if isinstance(term, Result) else None
        if call is not None and isinstance(call.op, Add) and _same_shapes(call):
            left, right = (self.add(part) for part in call.inputs)
            return lambda results: add(left(results), right(results))
        if call is not None and isinstance(call.op, Reshape):
            inner = self.add(call.inputs[0])
            return lambda results: reshape(inner(results), term.shape)
        if call is not None and isinstance(call.op, ReduceSum):
            return self._reduction(call)
        if call is not None and isinstance(call.op, MatMul) and _is_transposed_product(call):
            return self._product(call)
        key = f"total{len(self.leaves)}"
        self.leaves.append(self.fresh(key, term.type))
        self._terms.append(term)
        return lambda results: results[key]

    def carried(self) -> dict[str, Value]:
        """The new values of the carried sums."""
        pairs = zip(self.leaves, self._terms, strict=True)
        return {f"total{i}": add(leaf, term) for i, (leaf, term) in enumerate(pairs)}

    def zeros(self) -> list[Value]:
        return [full(leaf.shape, 0.0, leaf.dtype) for leaf in self.leaves]

    def stacked(self) -> dict[str, Value]:
        return {key: value for value, key in self._stacked.items()}

    def _stack(self, value: Value) -> str:
        return self._stacked.setdefault(value, f"part{len(self._stacked)}")

    def _reduction(self, call: Call) -> Total:
        op = call.op
        assert isinstance(op, ReduceSum)
        key, rank = self._stack(call.inputs[0]), call.inputs[0].rank
        axes = (0, *(axis % rank + 1 for axis in op.axes))

        def sum_all(results: dict[str, Value]) -> Value:
            return reshape(ReduceSum(axes)(results[key]), call.results[0].shape)

        return sum_all

    def _product(self, call: Call) -> Total:
        keys = [self._stack(value) for value in call.inputs]

        def multiply_all(results: dict[str, Value]) -> Value:
            a, b = (_rows(results[key]) for key in keys)
            return matmul(a, b, transpose_a=True)

        return multiply_all


def _rows(stack: Value) -> Value:
    """[T, n, m] as [T n, m]."""
    return reshape(stack, (product(stack.shape[:2]), stack.shape[2]))


def _same_shapes(call: Call) -> bool:
    return all(value.shape == call.results[0].shape for value in call.inputs)


def _is_transposed_product(call: Call) -> bool:
    """Whether a call is a^T b of two matrices: then sums of it over the steps are one product of stacked rows."""
    op = call.op
    matrices = all(value.rank == 2 for value in call.inputs)
    return isinstance(op, MatMul) and matrices and op.transpose_a and not op.transpose_b
