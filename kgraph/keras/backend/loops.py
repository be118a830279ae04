"""Steps along an axis: `rnn`, `map_fn`, `foldl`, `foldr`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from kgraph.ir.graph import Value
from kgraph.keras.tensor import Tensor, as_value
from kgraph.ops import shape as s
from kgraph.ops.broadcast import reshape
from kgraph.ops.logic import cast, where
from kgraph.ops.scan import scan

Step = Callable[..., Any]


def map_fn(fn: Step, elems: Any, name: str | None = None, dtype: str | None = None) -> Tensor:
    """`fn` of each element of axis 0, stacked."""
    kind = dtype

    def step(_: Sequence[Value], slices: Sequence[Value]) -> tuple[list[Value], list[Value]]:
        made = as_value(fn(Tensor(slices[0])))
        return [], [made if kind is None else cast(made, kind)]

    _, (made,) = scan(step, [], [as_value(elems)], name=name or "map_fn")
    return Tensor(made)


def foldl(fn: Step, elems: Any, initializer: Any = None, name: str | None = None) -> Tensor:
    """fn(… fn(fn(initializer, elems[0]), elems[1]) …); without an initializer the first element is it."""
    return _fold(fn, as_value(elems), initializer, False, name or "foldl")


def foldr(fn: Step, elems: Any, initializer: Any = None, name: str | None = None) -> Tensor:
    """`foldl` from the last element to the first."""
    return _fold(fn, as_value(elems), initializer, True, name or "foldr")


def _fold(fn: Step, elems: Value, initializer: Any, reverse: bool, name: str) -> Tensor:
    size = elems.shape[0]
    if initializer is not None:
        start = as_value(initializer, elems.dtype)
    elif reverse:
        start, elems = s.index_axis(elems, 0, size - 1), s.slice_axis(elems, 0, 0, size - 1)
    else:
        start, elems = s.index_axis(elems, 0, 0), s.slice_axis(elems, 0, 1, size)

    def step(carries: Sequence[Value], slices: Sequence[Value]) -> tuple[list[Value], list[Value]]:
        return [as_value(fn(Tensor(carries[0]), Tensor(slices[0])), start.dtype)], []

    (last,), _ = scan(step, [start], [elems], reverse=reverse, name=name)
    return Tensor(last)


def rnn(
    step_function: Step,
    inputs: Any,
    initial_states: Sequence[Any],
    go_backwards: bool = False,
    mask: Any = None,
    constants: Sequence[Any] | None = None,
    unroll: bool = False,
    input_length: int | None = None,
) -> tuple[Tensor, Tensor, list[Tensor]]:
    """Walk along axis 1 of inputs [batch, time, …]: the last output, all outputs [batch, time, …], the last states.

    `step_function(input, states + constants)` gives an output and the new states. Where `mask` [batch, time] is False
    the states stay, and the output is that of the step before (zeros at first). With `go_backwards` the steps run from
    the last to the first, and the outputs stand in the order of the steps. Steps are never unrolled.
    """
    x = as_value(inputs)
    fixed = list(constants or [])
    states = [as_value(state, x.dtype) for state in initial_states]
    sequences = [x]
    if mask is not None:
        passing = cast(as_value(mask), "bool")
        sequences.append(reshape(passing, passing.shape[:2]))
    if go_backwards:
        sequences = [s.Reverse((1,))(sequence) for sequence in sequences]

    def advance(value: Value, now: Sequence[Value]) -> tuple[Value, list[Value]]:
        output, new = step_function(Tensor(value), [*map(Tensor, now), *fixed])
        return as_value(output), [as_value(state, old.dtype) for state, old in zip(new, now, strict=True)]

    def plain(carries: Sequence[Value], slices: Sequence[Value]) -> tuple[list[Value], list[Value]]:
        output, new = advance(slices[0], carries)
        return new, [output]

    def masked(carries: Sequence[Value], slices: Sequence[Value]) -> tuple[list[Value], list[Value]]:
        output, new = advance(slices[0], carries[1:])
        kept = [_choose(slices[1], a, b) for a, b in zip([output, *new], carries, strict=True)]
        return kept, kept[:1]

    if mask is None:
        last, (outputs,) = scan(plain, states, sequences, axis=1, name="rnn")
        final = s.index_axis(outputs, 1, outputs.shape[1] - 1)
        return Tensor(final), Tensor(outputs), [Tensor(state) for state in last]
    first, _ = advance(s.index_axis(x, 1, 0), states)  # only its type is used
    zeros = s.full(first.shape, 0, first.dtype)
    (final, *last), (outputs,) = scan(masked, [zeros, *states], sequences, axis=1, name="rnn")
    return Tensor(final), Tensor(outputs), [Tensor(state) for state in last]


def _choose(passing: Value, new: Value, old: Value) -> Value:
    return where(reshape(passing, (passing.shape[0], *(1,) * (new.rank - 1))), new, old)
