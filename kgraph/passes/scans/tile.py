"""Long chains of elementwise ops over large arrays run tile by tile, each tile through the whole chain.

An optimizer is such a chain: eight ops or more, each of which reads and writes arrays of the size of a weight. Op by
op, every one of them streams through memory. A scan over tiles that fit the cache streams once: for a weight of a
million numbers Adam and Adadelta take a third less time.

The gradient that an optimizer starts from is often a product x^T y of two small matrices, as large as the weight. It is
made tile by tile too, from some columns of x, and is never in memory as a whole: another twentieth of a step of Adam.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod

from kgraph.ir.graph import Call, Constant, Function, Input, Result, Value
from kgraph.ops.base import Elementwise
from kgraph.ops.broadcast import reshape
from kgraph.ops.linalg import Gemm, MatMul
from kgraph.ops.scan import Scan
from kgraph.ops.shape import transpose
from kgraph.passes.base import Pass, register


@register("tile_chains")
@dataclass(frozen=True)
class TileChains(Pass):
    """f(g(x, y), ...) over n elements -> a scan over tiles of about `tile` elements.

    For chains of at least `shortest` ops over two tiles or more. A tile must be large enough to be worth several
    threads, and what the chain holds of one must fit their caches.
    """

    shortest: int = 5
    tile: int = 1 << 18

    def __call__(self, function: Function, hits: Counter[str]) -> Function:
        mapping: dict[Value, Value] = {}
        users = Counter(value for call in function.calls() for value in set(call.inputs))
        users.update(function.roots)
        for chain in find_chains(function):
            if len(chain) < self.shortest:
                continue
            shape = chain[0].results[0].shape
            readers = Counter(value for call in chain for value in set(call.inputs))
            products = [v for v in _products(readers) if users[v] == readers[v]]
            count = self._count(shape, shape[0] if products else None)
            if count is None and products:
                products, count = [], self._count(shape)
            if count is not None:
                mapping.update(_tiled(chain, function, count, products))
                hits["tiled"] += 1
                hits["products"] += len(products)
        return function.replace(mapping) if mapping else function

    def _count(self, shape: Sequence[object], rows: object = None) -> int | None:
        """Into how many tiles of about the wanted size the elements can be divided; None if into none.

        With `rows` it divides them too, so that a tile is so many rows.
        """
        total = _elements(shape)
        if total is None or total < 2 * self.tile:
            return None
        whole = rows if isinstance(rows, int) else total
        counts = range(2, 2 * total // self.tile + 1)
        fitting = [count for count in counts if whole % count == 0 and total // count < 2 * self.tile]
        return min(fitting, key=lambda count: abs(total // count - self.tile), default=None)


def find_chains(function: Function) -> Iterator[list[Call]]:
    """Elementwise calls of one type that share operands and that nothing waits for but each other, in order.

    Their results are used among them and as results of the function. So each set can run as one, after all else.
    """
    users: defaultdict[Value, list[Call]] = defaultdict(list)
    for call in function.calls():
        for value in dict.fromkeys(call.inputs):
            users[value].append(call)
    inside: dict[Call, None] = {}
    for call in reversed(function.calls()):
        result = call.results[0]
        if _is_plain(call) and all(u in inside and u.results[0].type == result.type for u in users[result]):
            inside[call] = None
    seen: set[Call] = set()
    order = {call: position for position, call in enumerate(function.calls())}
    for start in inside:
        if start in seen:
            continue
        seen.add(start)
        found = [start]
        for call in found:
            kind = call.results[0].type
            touched = [value for value in (*call.inputs, call.results[0]) if value.type == kind]
            makers = [other for value in call.inputs if (other := getattr(value, "call", None)) in inside]
            for other in [*makers, *(user for value in touched for user in users[value])]:
                if other in inside and other not in seen and other.results[0].type == kind:
                    seen.add(other)
                    found.append(other)
        yield sorted(found, key=order.__getitem__)


def _is_plain(call: Call) -> bool:
    """Whether a call works on floats of its result's type, and on scalars, alone."""
    made = call.results[0].type
    return (
        isinstance(call.op, Elementwise)
        and made.is_float
        and made.rank > 0
        and all(value.type == made or value.rank == 0 for value in call.inputs)
    )


def _elements(shape: Sequence[object]) -> int | None:
    """The number of elements; None while a size is symbolic."""
    sizes = [size for size in shape if isinstance(size, int)]
    return prod(sizes) if len(sizes) == len(shape) else None


def _products(values: Iterable[Value]) -> list[Result]:
    """Those that are x^T y, with nothing added."""
    return [
        value
        for value in values
        if isinstance(value, Result)
        and isinstance(value.call.op, MatMul | Gemm)
        and (value.call.op.transpose_a, value.call.op.transpose_b) == (True, False)
        and (value.rank, len(value.call.inputs)) == (2, 2)
    ]


def _tiled(
    chain: Sequence[Call], function: Function, count: int, products: Sequence[Result]
) -> Mapping[Value, Value]:
    """The results of a chain that the function returns, made by a scan over `count` tiles."""
    made = {call.results[0] for call in chain}
    wanted = [value for value in dict.fromkeys(function.roots) if value in made]
    shape = wanted[0].type.static_shape
    size = prod(shape) // count
    operands = dict.fromkeys(value for call in chain for value in call.inputs if value not in made)
    arrays = [value for value in operands if value.rank and value not in products]
    fixed = [value for value in operands if not value.rank and not isinstance(value, Constant)]
    fixed += dict.fromkeys(value.call.inputs[1] for value in products)
    parts = [_columns(value.call.inputs[0], count) for value in products]
    tiles = [*(reshape(value, (count, size)) for value in arrays), *parts]
    sliced = [Input(f"x{i}", tile.type.with_shape(tile.shape[1:])) for i, tile in enumerate(tiles)]
    inputs = (*sliced, *(Input(f"s{i}", value.type) for i, value in enumerate(fixed)))
    leaves: dict[Value, Value] = dict(zip([*arrays, *products, *fixed], inputs, strict=True))
    for value in products:
        leaves[value] = reshape(value.call.op(leaves[value], leaves[value.call.inputs[1]]), (size,))
    for call in chain:
        (leaves[call.results[0]],) = call.op.apply(*(leaves.get(value, value) for value in call.inputs))
    body = Function("tile", inputs, {f"y{i}": leaves[value] for i, value in enumerate(wanted)})
    results = Scan(body, carries=0, sequences=len(tiles)).apply(*tiles, *fixed)
    return {old: reshape(new, shape) for old, new in zip(wanted, results, strict=True)}


def _columns(x: Value, count: int) -> Value:
    """x [n, m] -> [count, n, m / count]: its columns, some at a time."""
    n, m = x.shape
    return transpose(reshape(x, (n, count, m // count)), (1, 0, 2))
