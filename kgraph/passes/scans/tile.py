"""Long chains of elementwise ops over large arrays run tile by tile, each tile through the whole chain.

An optimizer is such a chain: eight ops or more, each of which reads and writes arrays of the size of a weight. Op by
op, every one of them streams through memory. A scan over tiles that fit the cache streams once: for a weight of a
million numbers Adam and Adadelta take a third less time.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod

from kgraph.ir.graph import Call, Constant, Function, Input, Value
from kgraph.ops.base import Elementwise
from kgraph.ops.broadcast import reshape
from kgraph.ops.scan import Scan
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
        for chain in find_chains(function):
            size = self._size(chain[0].results[0].shape) if len(chain) >= self.shortest else None
            if size is not None:
                mapping.update(_tiled(chain, function, size))
                hits["tiled"] += 1
        return function.replace(mapping) if mapping else function

    def _size(self, shape: Sequence[object]) -> int | None:
        """The divisor of the number of elements that is nearest to a tile; None if there is none near."""
        total = _elements(shape)
        if total is None or total < 2 * self.tile:
            return None
        counts = range(2, 2 * total // self.tile + 1)
        sizes = [total // count for count in counts if total % count == 0 and total // count < 2 * self.tile]
        return min(sizes, key=lambda size: abs(size - self.tile), default=None)


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


def _tiled(chain: Sequence[Call], function: Function, size: int) -> Mapping[Value, Value]:
    """The results of a chain that the function returns, made by a scan."""
    made = {call.results[0] for call in chain}
    operands = dict.fromkeys(value for call in chain for value in call.inputs if value not in made)
    arrays = [value for value in operands if value.rank]
    scalars = [value for value in operands if not value.rank and not isinstance(value, Constant)]
    leaves: dict[Value, Value] = {
        value: Input(f"x{i}", value.type.with_shape((size,))) for i, value in enumerate(arrays)
    }
    leaves |= {value: Input(f"s{i}", value.type) for i, value in enumerate(scalars)}
    inputs = tuple(leaf for leaf in leaves.values() if isinstance(leaf, Input))
    for call in chain:
        (leaves[call.results[0]],) = call.op.apply(*(leaves.get(value, value) for value in call.inputs))
    wanted = [value for value in dict.fromkeys(function.roots) if value in made]
    body = Function("tile", inputs, {f"y{i}": leaves[value] for i, value in enumerate(wanted)})
    shape = wanted[0].shape
    tiles = [reshape(value, (_elements(shape) // size, size)) for value in arrays]  # type: ignore[operator]  # static
    results = Scan(body, carries=0, sequences=len(tiles)).apply(*tiles, *scalars)
    return {old: reshape(new, shape) for old, new in zip(wanted, results, strict=True)}
