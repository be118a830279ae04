"""The graph: values, calls and functions.

An immutable DAG. A `Value` has a type and knows what made it; leaves are inputs, constants and variables. There are no
use lists and no dead nodes: what the outputs of a function cannot reach does not exist. Equality is identity; sharing
equal calls is a pass (`passes/cse.py`), not a property of construction.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from kgraph.ir.dims import Shape
from kgraph.ir.storage import Storage
from kgraph.ir.types import Array, TensorType, type_of

if TYPE_CHECKING:
    from kgraph.ir.op import Op

_SCOPE: ContextVar[str] = ContextVar("scope", default="")

ROLES = ("weight", "statistic", "optimizer", "metric", "rng", "rnn")
# Changes of these are not changes of what a model computes.
BOOKKEEPING = ("optimizer", "metric")


class Value:
    """Something with a type that calls can take as an operand."""

    __slots__ = ("__weakref__", "type")

    def __init__(self, type: TensorType) -> None:
        self.type = type

    @property
    def shape(self) -> Shape:
        return self.type.shape

    @property
    def dtype(self) -> str:
        return self.type.dtype

    @property
    def rank(self) -> int:
        return len(self.type.shape)


class Input(Value):
    """A leaf that the caller of a function provides."""

    __slots__ = ("name",)

    def __init__(self, name: str, type: TensorType) -> None:
        super().__init__(type)
        self.name = name

    def __repr__(self) -> str:
        return f"Input({self.name}: {self.type})"


class Constant(Value):
    """A leaf whose value is known. The array is made read-only. A weight that became a constant keeps its `name`."""

    __slots__ = ("array", "name")

    def __init__(self, array: Array, name: str = "") -> None:
        super().__init__(type_of(array))
        self.array = array.view()
        self.array.flags.writeable = False
        self.name = name

    def __repr__(self) -> str:
        return f"Constant({self.array!r})"


class Variable(Value):
    """A leaf with state: its identity, its type and where its current value lives.

    Used as an operand it stands for its value when the function starts; `Function.updates` gives its value afterwards.
    `role` says what it is for (one of ROLES) and ends up in manifests and files.
    """

    __slots__ = ("name", "role", "storage")

    def __init__(self, name: str, array: object, *, dtype: str | None = None, role: str = "weight") -> None:
        if role not in ROLES:
            raise ValueError(f"role must be one of {ROLES}, got {role!r}")
        value = np.asarray(array, dtype=dtype)
        super().__init__(type_of(value))
        self.name = name
        self.role = role
        self.storage = Storage(self.type, value, counts=role not in BOOKKEEPING)

    def __repr__(self) -> str:
        return f"Variable({self.name}: {self.type})"


class Result(Value):
    """Output `index` of a call."""

    __slots__ = ("call", "index")

    def __init__(self, type: TensorType, call: Call, index: int) -> None:
        super().__init__(type)
        self.call = call
        self.index = index

    def __repr__(self) -> str:
        return f"Result({self.call.op.name}.{self.index}: {self.type})"


class Call:
    """An op applied to values. `where` is the path of the layer that asked for it ("model/dense_1")."""

    __slots__ = ("__weakref__", "inputs", "op", "results", "where")

    def __init__(self, op: Op, inputs: Sequence[Value], types: Sequence[TensorType], where: str) -> None:
        self.op = op
        self.inputs = tuple(inputs)
        self.where = where
        self.results = tuple(Result(type, self, index) for index, type in enumerate(types))

    def __repr__(self) -> str:
        return f"Call({self.op})"


@contextmanager
def scope(name: str) -> Iterator[None]:
    """Calls made inside carry `name` in their provenance."""
    outer = _SCOPE.get()
    token = _SCOPE.set(f"{outer}/{name}" if outer else name)
    try:
        yield
    finally:
        _SCOPE.reset(token)


@contextmanager
def exact_scope(where: str) -> Iterator[None]:
    """Calls made inside carry exactly `where`: a rewrite keeps the provenance of what it replaces."""
    token = _SCOPE.set(where)
    try:
        yield
    finally:
        _SCOPE.reset(token)


def current_scope() -> str:
    """The provenance that a call made now would carry."""
    return _SCOPE.get()


def constant(value: object, dtype: str | None = None) -> Constant:
    """A constant from anything NumPy understands."""
    return Constant(np.array(value, dtype=dtype))


@dataclass(frozen=True, eq=False)
class Function:
    """A pure function over leaves: named outputs, and the new values of the variables that it changes.

    A training step is one Function: `updates` holds weights, optimizer slots, statistics, metric accumulators and the
    random counter alike.
    """

    name: str
    inputs: tuple[Input, ...]
    outputs: Mapping[str, Value]
    updates: Mapping[Variable, Value] = field(default_factory=dict)

    @property
    def roots(self) -> tuple[Value, ...]:
        return (*self.outputs.values(), *self.updates.values())

    def calls(self) -> Sequence[Call]:
        """Every call that the function needs, operands first."""
        return self._calls

    @cached_property
    def _calls(self) -> tuple[Call, ...]:
        return tuple(topological(self.roots))

    def variables(self) -> list[Variable]:
        """Every variable read or updated, in order of first use, updated ones that are never read last."""
        found: dict[Variable, None] = {}
        for value in itertools.chain(*(call.inputs for call in self.calls()), self.roots, self.updates):
            if isinstance(value, Variable):
                found.setdefault(value)
        return list(found)

    def replace(self, mapping: Mapping[Value, Value], name: str | None = None) -> Function:
        """The function with leaves or results replaced by other values."""
        return transform(self, lambda call, inputs: None, mapping, name=name)


def topological(roots: Iterable[Value], stop: Iterable[Value] = ()) -> list[Call]:
    """The calls that `roots` depend on, operands first, not looking behind `stop`. Iterative, so depth is no limit."""
    leaves = set(stop)
    order: list[Call] = []
    seen: set[Call] = set()
    for root in roots:
        if not isinstance(root, Result) or root.call in seen or root in leaves:
            continue
        seen.add(root.call)
        stack: list[tuple[Call, Iterator[Value]]] = [(root.call, iter(root.call.inputs))]
        while stack:
            call, pending = stack[-1]
            for value in pending:
                if isinstance(value, Result) and value.call not in seen and value not in leaves:
                    seen.add(value.call)
                    stack.append((value.call, iter(value.call.inputs)))
                    break
            else:
                order.append(call)
                stack.pop()
    return order


Visitor = Callable[[Call, tuple[Value, ...]], "Sequence[Value] | None"]


def transform(
    function: Function, visit: Visitor, mapping: Mapping[Value, Value] | None = None, name: str | None = None
) -> Function:
    """Rebuild a function bottom-up.

    `visit(call, new_inputs)` returns the values that replace the call's results, or None to keep it (re-applied when
    its operands changed). `mapping` replaces values beforehand. Returns `function` itself when nothing changed.
    """
    new: dict[Value, Value] = dict(mapping or {})
    for call in function.calls():
        inputs = tuple(new.get(value, value) for value in call.inputs)
        replacement: Sequence[Value] | None
        token = _SCOPE.set(call.where)
        try:
            replacement = visit(call, inputs)
            if replacement is None and any(a is not b for a, b in zip(inputs, call.inputs, strict=True)):
                replacement = call.op.apply(*inputs)
        finally:
            _SCOPE.reset(token)
        if replacement is not None:
            for old, value in zip(call.results, replacement, strict=True):
                new.setdefault(old, value)
    outputs = {key: new.get(value, value) for key, value in function.outputs.items()}
    updates = {variable: new.get(value, value) for variable, value in function.updates.items()}
    same = all(a is b for a, b in zip(outputs.values(), function.outputs.values(), strict=True)) and all(
        a is b for a, b in zip(updates.values(), function.updates.values(), strict=True)
    )
    if same and name is None:
        return function
    inputs_ = tuple(_as_input(new.get(value, value), value) for value in function.inputs)
    return Function(name or function.name, inputs_, outputs, updates)


def _as_input(value: Value, old: Input) -> Input:
    # An input that was replaced by something else stays in the signature: callers still pass it.
    return value if isinstance(value, Input) else old
