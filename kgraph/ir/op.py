"""The contract of an op: attributes, type rule, meaning, gradient and samples in one class.

    @op("leaky_relu")
    class LeakyRelu(Op):
        alpha: float = 0.01
        def infer(self, x): ...            # types -> type; raises ShapeError
        def evaluate(self, x): ...         # NumPy arrays -> array; the meaning of the op
        def vjp(self, call, dy): ...       # Values -> Values; the gradient, in ops
        samples = ...                      # small examples; they drive every law

A composite op has `decompose` (Values -> Value, in simpler ops) instead of `evaluate` and `vjp`. Calling an op on
values extends the graph: `LeakyRelu(0.1)(x)`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar, TypeVar, dataclass_transform

from kgraph.errors import GraphError, ShapeError, describe
from kgraph.ir.dims import Sym, evaluate_dim
from kgraph.ir.graph import Call, Function, Input, Value, current_scope
from kgraph.ir.types import Array, TensorType, type_of

Types = TensorType | tuple[TensorType, ...]
Arrays = Array | tuple[Array, ...]
Gradients = Sequence[Value | None]


@dataclass(frozen=True)
class Sample:
    """One small example of an op: the op with its attributes, and arrays to apply it to.

    `smooth` lists the inputs to which the gradient law applies: by default each floating-point one. `tolerance` widens
    the relative tolerance of backend agreement, with `why` as the reason.
    """

    op: Op
    inputs: tuple[Array, ...]
    smooth: tuple[int, ...] | None = None
    tolerance: float = 0.0
    why: str = ""

    def __str__(self) -> str:
        return f"{self.op}: {', '.join(str(type_of(array)) for array in self.inputs)}"


@dataclass(frozen=True, repr=False)
class Op:
    """Base of all ops. Subclasses are frozen dataclasses made by the `op` decorator; fields are the attributes.

    The open signatures below (`*Any, **Any`) let each subclass name exactly the operands that it takes.
    """

    name: ClassVar[str] = ""

    def infer(self, *types: Any, **_: Any) -> Types:
        """The result type(s) for operand types. Raises ShapeError when they do not fit.

        A composite op need not write it: the types of its decomposition are the answer.
        """
        if not self.is_composite():
            raise NotImplementedError(f"{type(self).__name__} declares neither infer nor decompose")
        results = self.decompose(*(Input(f"x{i}", type) for i, type in enumerate(types)))
        return tuple(r.type for r in results) if isinstance(results, tuple) else results.type

    def evaluate(self, *arrays: Any, **_: Any) -> Arrays:
        """The result(s) for NumPy operands; symbolic attributes have been replaced by integers."""
        raise NotImplementedError

    def vjp(self, call: Call, *gradients: Any, **_: Any) -> Gradients:
        """Gradients of the operands (None: no dependence) from those of the results (None: unused)."""
        raise GraphError(describe(f"{self.name} has no gradient", where=call.where))

    def decompose(self, *values: Any, **_: Any) -> Value | tuple[Value, ...]:
        """The same result in simpler ops."""
        raise NotImplementedError

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        """Small examples that cover the attributes; every law runs over them."""
        return ()

    @classmethod
    def is_composite(cls) -> bool:
        return cls.decompose is not Op.decompose

    @classmethod
    def evaluates(cls) -> bool:
        """Whether the op has a NumPy meaning of its own; a composite op may leave that to its decomposition."""
        return cls.evaluate is not Op.evaluate

    @classmethod
    def is_differentiable(cls) -> bool:
        return cls.vjp is not Op.vjp or cls.is_composite()

    def apply(self, *values: Value) -> tuple[Value, ...]:
        """Extend the graph by a call; all results. Errors name the op, the operand types and the layer."""
        where = current_scope()
        try:
            types = self.infer(*(value.type for value in values))
        except ShapeError as error:
            if getattr(error, "located", False):
                raise
            operands = ", ".join(str(value.type) for value in values)
            located = ShapeError(
                f"{self.name}: {error}\n  operands: {operands}" + (f"\n  in {where}" if where else "")
            )
            located.located = True  # type: ignore[attr-defined]  # so that an outer op does not add its own context
            raise located from None
        except TypeError as error:
            raise GraphError(
                describe(f"{self}: {error}", got=f"{len(values)} operands", where=where)
            ) from error
        return Call(self, values, types if isinstance(types, tuple) else (types,), where).results

    def __call__(self, *values: Value) -> Value:
        """Extend the graph by a call with one result."""
        (result,) = self.apply(*values)
        return result

    def attributes(self) -> dict[str, Any]:
        """Attribute names and values, in order of declaration."""
        return {f.name: getattr(self, f.name) for f in fields(self)}

    def is_symbolic(self) -> bool:
        """Whether an attribute holds a symbolic dimension, so that only a run can tell its value."""
        return any(_is_symbolic(value) for value in self.attributes().values())

    def resolve(self, env: Mapping[str, int]) -> Op:
        """The op with symbolic dimensions in its attributes replaced by their sizes in `env`."""
        changed = {
            key: _resolve(value, env) for key, value in self.attributes().items() if _is_symbolic(value)
        }
        return replace(self, **changed) if changed else self

    def __str__(self) -> str:
        attributes = ", ".join(f"{key}={_show(value)}" for key, value in self.attributes().items())
        return f"{self.name}({attributes})" if attributes else self.name

    __repr__ = __str__


_REGISTRY: dict[str, type[Op]] = {}
T = TypeVar("T", bound=type[Op])


@dataclass_transform(frozen_default=True)
def op(name: str) -> Callable[[T], T]:
    """Declare an op: makes the class a frozen dataclass and enters it in the registry under `name`."""

    def declare(cls: T) -> T:
        if name in _REGISTRY and _REGISTRY[name].__module__ != cls.__module__:
            raise GraphError(
                describe(
                    f"two ops are named {name!r}", got=f"{_REGISTRY[name].__module__} and {cls.__module__}"
                )
            )
        cls.name = name
        # Making a dataclass takes most of the time of an import: without attributes that of the base will do.
        made = dataclass(frozen=True, repr=False)(cls) if cls.__annotations__ else cls
        _REGISTRY[name] = made
        return made  # type: ignore[return-value]  # a dataclass decorator returns the class it was given

    return declare


def registry() -> Mapping[str, type[Op]]:
    """Every declared op by name."""
    return dict(_REGISTRY)


def nested_functions(op: Op) -> list[Function]:
    """The functions that an op holds as attributes, such as the body of a scan."""
    return [value for value in vars(op).values() if isinstance(value, Function)]


def _is_symbolic(value: object) -> bool:
    return isinstance(value, Sym) or (isinstance(value, tuple) and any(_is_symbolic(item) for item in value))


def _resolve(value: Any, env: Mapping[str, int]) -> Any:
    if isinstance(value, Sym):
        return evaluate_dim(value, env)
    return tuple(_resolve(item, env) for item in value) if isinstance(value, tuple) else value


def _show(value: object) -> str:
    if isinstance(value, tuple):
        return "(" + ", ".join(map(_show, value)) + ")"
    return f"@{value.name}" if hasattr(value, "outputs") and hasattr(value, "name") else repr(value)


__all__ = ["Arrays", "Gradients", "Op", "Sample", "Types", "nested_functions", "op", "registry"]
