"""Convolutions, and what stands between them, for a few images at a time: their results stay in the cache.

The results of a convolution for a whole batch are tens of megabytes, and its gradient passes over them a dozen times.
Tile by tile, a training step of a small convolutional network takes a tenth less time.

What is computed row by row (`passes/rows`) is gathered in groups, each of which becomes a scan over the tiles;
gradients of weights are summed over the tiles afterwards. A group cannot wait for what is made outside from its own
results. So each call has a level, the number of times that something before it had to wait for all rows, and a group is
of one level: a network that ends in dense layers has one before the loss and one behind it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod

import numpy as np

from kgraph.ir.dims import divide_exactly, evaluate_shape, symbol
from kgraph.ir.graph import Call, Constant, Function, Input, Result, Value, exact_scope
from kgraph.ops.broadcast import ReduceSum, Reshape, reshape
from kgraph.ops.conv import Convolution
from kgraph.ops.scan import Scan
from kgraph.passes.adapt import fix_sizes
from kgraph.passes.base import Pass, register
from kgraph.passes.rows import Rows, over_rows
from kgraph.plugins.onnx.blocked.ops import ALIGNED, BlockedConv, BlockedFilterGrad

BATCH = symbol("batch")

_TILE_BYTES = 3 << 20
"""What the largest array of a tile should stay below: with its like it then fits the second level caches."""

_WORTH_BYTES = 8 << 20
"""The size of the largest array of a batch below which nothing is gained."""


@register("tile_images")
@dataclass(frozen=True)
class TileImages(Pass):
    """f(x [batch, ...]) -> a scan of f over tiles of `tile` images, where f holds convolutions.

    The result is for batches that `tile` divides.
    """

    tile: int = 16

    def __call__(self, function: Function, hits: Counter[str]) -> Function:
        if not any(_is_convolution(call) for call in function.calls()):
            return function
        plan = _Plan(function)
        groups = plan.groups()
        hits["tiled"] += len(groups)
        return plan.carried_out(groups, self.tile) if groups else function


def images_per_tile(function: Function, batch: int, block: int) -> int:
    """How many images of a batch one tile should hold; 0 if the batch had better stay whole, or is no training step.

    A number of images whose gradients in the kernels need not be filled up.
    """
    if not block or not any(isinstance(call.op, BlockedFilterGrad) for call in function.calls()):
        return 0
    images = [
        4 * prod(evaluate_shape(value.shape, {"batch": 1}))
        for call in function.calls()
        if _is_convolution(call)
        for value in (call.inputs[0], *call.results)
        if _carries(value)
    ]
    image = max(images, default=0)
    if batch * image < _WORTH_BYTES:
        return 0
    sizes = [size for size in range(ALIGNED, batch, ALIGNED) if batch % size == 0]
    return max((size for size in sizes if size * image <= _TILE_BYTES), default=min(sizes, default=0))


def _is_convolution(call: Call) -> bool:
    return isinstance(call.op, Convolution | BlockedConv | BlockedFilterGrad)


def _carries(value: Value) -> bool:
    """Whether the batch lies along axis 0, and all other sizes are known."""
    return (
        value.rank > 0
        and isinstance(divide_exactly(value.shape[0], BATCH), int)
        and all(isinstance(size, int) for size in value.shape[1:])
    )


def _row_bytes(value: Value) -> int:
    """The size of one row of what carries the batch."""
    return prod(evaluate_shape(value.shape, {"batch": 1})) * np.dtype(value.dtype).itemsize


def _over_rows(call: Call) -> Rows | None:
    """How a call makes its result from rows; None also for what has several results or sizes that are not known."""
    result, *others = call.results
    types, marked = [value.type for value in call.inputs], [_carries(value) for value in call.inputs]
    found = None if others else over_rows(call.op, types, marked)
    return found if (_carries(result) if found is Rows.EACH else result.type.is_static) else None


class _Plan:
    """Which calls of a function go by rows, and how often each has waited for a value that all rows were needed for."""

    def __init__(self, function: Function) -> None:
        self.function = function
        self.rows = {call: _over_rows(call) for call in function.calls()}
        self.level: dict[Call, int] = {}
        self.users: defaultdict[Value, list[Call]] = defaultdict(list)
        for call in function.calls():
            makers = [value.call for value in call.inputs if isinstance(value, Result)]
            self.level[call] = max((self.level[m] + self._waits(m, call) for m in makers), default=0)
            for value in dict.fromkeys(call.inputs):
                self.users[value].append(call)

    def _waits(self, maker: Call, user: Call) -> bool:
        """Whether what `maker` makes has to be whole before `user` takes it."""
        return self.rows[maker] is Rows.SUM or (self.rows[maker] is Rows.EACH and self.rows[user] is None)

    def groups(self) -> list[list[Call]]:
        """Calls to compute tile by tile: they are of one level, hand each other rows, and hold a convolution."""
        number = self._numbered()
        self._sink(number)
        members: defaultdict[int, list[Call]] = defaultdict(list)
        for call in self.function.calls():
            if call in number:
                members[number[call]].append(call)
        return [calls for calls in members.values() if any(map(_is_convolution, calls))]

    def _numbered(self) -> dict[Call, int]:
        """The number of a group for each call that goes by rows."""
        number: dict[Call, int] = {}
        for start in self.function.calls():
            if self.rows[start] is None or start in number:
                continue
            number[start] = len(number)
            found = [start]
            for call in found:
                for other in self._neighbours(call):
                    if other not in number and self.level[other] == self.level[call]:
                        number[other] = number[start]
                        found.append(other)
        return number

    def _neighbours(self, call: Call) -> Iterator[Call]:
        """Calls that hand rows to this one, or take its rows."""
        for value in call.inputs:
            if isinstance(value, Result) and self.rows[value.call] is Rows.EACH:
                yield value.call
        if self.rows[call] is Rows.EACH:
            yield from (user for user in self.users[call.results[0]] if self.rows[user] is not None)

    def _sink(self, number: dict[Call, int]) -> None:
        """Move a call to the group that uses it, if what that does not read anyway is less than what the call makes.

        So there is less to hand over: where the gradient of a pool goes is told by bools, cast to floats over there.
        """
        results = set(self.function.roots)
        for call in reversed(self.function.calls()):
            users = self.users[call.results[0]]
            places = {number.get(user) for user in users}
            if self.rows[call] is not Rows.EACH or call.results[0] in results or len(places) != 1:
                continue
            (place,) = places
            arrays = [value for value in dict.fromkeys(call.inputs) if _carries(value)]
            new = [value for value in arrays if all(number.get(u) != place for u in self.users[value])]
            if place is not None and sum(map(_row_bytes, new)) < _row_bytes(call.results[0]):
                number[call], self.level[call] = place, self.level[users[0]]

    def carried_out(self, groups: Sequence[Sequence[Call]], tile: int) -> Function:
        """The function with a scan for each group. On a level, what is outside of groups comes first."""
        grouped = {call for group in groups for call in group}
        singles = [[call] for call in self.function.calls() if call not in grouped]
        new: dict[Value, Value] = {}
        for calls in sorted(
            [*singles, *groups], key=lambda calls: (self.level[calls[0]], calls[0] in grouped)
        ):
            if calls[0] in grouped:
                new.update(_tiled(calls, self._wanted(calls), new, tile))
            else:
                new.update(_again(calls[0], new))
        outputs = {key: new.get(value, value) for key, value in self.function.outputs.items()}
        updates = {variable: new.get(value, value) for variable, value in self.function.updates.items()}
        return replace(self.function, outputs=outputs, updates=updates)

    def _wanted(self, calls: Sequence[Call]) -> list[Value]:
        """The results that others take."""
        inside, results = set(calls), set(self.function.roots)
        made = [call.results[0] for call in calls]
        return [value for value in made if value in results or not inside.issuperset(self.users[value])]


def _again(call: Call, new: Mapping[Value, Value]) -> Mapping[Value, Value]:
    """The results of a call on new operands; nothing if it has the old ones."""
    inputs = [new.get(value, value) for value in call.inputs]
    if all(a is b for a, b in zip(inputs, call.inputs, strict=True)):
        return {}
    with exact_scope(call.where):
        return dict(zip(call.results, call.op.apply(*inputs), strict=True))


def _tiled(
    calls: Sequence[Call], wanted: Sequence[Value], new: Mapping[Value, Value], tile: int
) -> Mapping[Value, Value]:
    """The wanted results of the calls, made by a scan over tiles of the new operands."""
    made = {call.results[0] for call in calls}
    # One output for an array and for what is the same in another shape.
    stored = {value: _stored(value, made) for value in wanted}
    operands = dict.fromkeys(value for call in calls for value in call.inputs if value not in made)
    rows = [value for value in operands if _carries(value)]
    fixed = [value for value in operands if not _carries(value) and not isinstance(value, Constant)]
    leaves = {value: Input(f"x{i}", value.type) for i, value in enumerate(rows)}
    leaves |= {value: Input(f"w{i}", value.type) for i, value in enumerate(fixed)}
    values: dict[Value, Value] = dict(leaves)
    for call in calls:
        values.update(_again(call, values))
    outputs = {f"y{i}": values[value] for i, value in enumerate(dict.fromkeys(stored.values()))}
    body = fix_sizes(Function("tile", tuple(leaves.values()), outputs), {"batch": tile})
    tiles = [
        reshape(new.get(value, value), (BATCH // tile, *leaf.shape))
        for value, leaf in zip(rows, body.inputs, strict=False)
    ]
    results = Scan(body, carries=0, sequences=len(tiles)).apply(*tiles, *(new.get(v, v) for v in fixed))
    stacks = dict(zip(dict.fromkeys(stored.values()), results, strict=True))
    return {
        value: reshape(stacks[at], value.shape) if _carries(value) else ReduceSum((0,))(stacks[at])
        for value, at in stored.items()
    }


def _stored(value: Value, made: Container[Value]) -> Value:
    """Rows of `made` before they were reshaped."""
    while isinstance(value, Result) and isinstance(value.call.op, Reshape) and _carries(value):
        source = value.call.inputs[0]
        if source not in made or not _carries(source):
            break
        value = source
    return value
