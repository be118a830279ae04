"""Operations between layers that have a name in files: those of Keras 3, and bare operators as these.

A functional model may compute `x * 2 + y` between its layers. Keras 3 writes each such step into the configuration as
if it was a layer; so do we, and so we read them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from inspect import signature
from types import MappingProxyType
from typing import Any, NoReturn

from kgraph.errors import ArgumentError, KgraphError, UnsupportedError, describe
from kgraph.ir import graph as ir
from kgraph.ir.dims import Sym, evaluate_dim, maximum
from kgraph.ir.types import DTYPES
from kgraph.keras.layers.base import Layer
from kgraph.keras.layers.nodes import map_structure
from kgraph.keras.layers.operation_tables import MODULES
from kgraph.keras.layers.registry import register
from kgraph.keras.tensor import Tensor


def _is_nothing(value: Any) -> bool:
    return value is None


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def _are_ints(value: Any) -> bool:
    items = value if isinstance(value, list | tuple) else [value]
    return value is None or all(_is_int(item) for item in items)


def _are_sizes(value: Any) -> bool:
    """Sizes of which at most one is open: -1 or None."""
    sizes = value if isinstance(value, list | tuple) else [value]
    is_sizes = all(d is None or (_is_int(d) and d >= -1) for d in sizes)
    return is_sizes and sum(d in (None, -1) for d in sizes) <= 1


def _are_numbers(value: Any) -> bool:
    items = value if isinstance(value, list | tuple) else [value]
    return all(map(_is_number, items))


def _are_grouped_ints(value: Any) -> bool:
    """An integer, or lists of these in any depth."""
    return all(map(_are_grouped_ints, value)) if isinstance(value, list | tuple) else _is_int(value)


def _are_counts(value: Any) -> bool:
    """A number of something, or lists of these in any depth."""
    is_list = isinstance(value, list | tuple)
    return all(map(_are_counts, value)) if is_list else _is_int(value) and value >= 0


def _maybe(is_good: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: value is None or is_good(value)


SETTINGS: Mapping[str, Callable[[Any], bool]] = MappingProxyType(
    {
        "alpha": _is_number,
        "approximate": _is_flag,
        "axes": _maybe(_are_grouped_ints),
        "axis": _are_ints,
        "axis1": _is_int,
        "axis2": _is_int,
        "b": _is_number,
        "decimals": _is_int,
        "default_value": _is_number,
        "destination": _are_ints,
        "dtype": _maybe(lambda value: isinstance(value, str) and value in DTYPES),
        "epsilon": _maybe(_is_number),
        "indices_or_sections": _are_ints,
        "k": lambda value: _is_int(value) and value >= 0,
        "keepdims": _is_flag,
        "mode": lambda value: value in ("constant", "edge", "reflect", "symmetric"),
        "negative_slope": _is_number,
        "newshape": _are_sizes,
        "num": _maybe(_is_int),
        "num_classes": lambda value: _is_int(value) and value >= 0,
        "ord": _maybe(_is_number),
        "order": lambda value: _is_int(value) and value >= 1,
        "pad_width": _are_counts,
        "ragged": lambda value: not value,
        "repeats": _are_counts,
        "rms_scaling": _is_flag,
        "shape": _are_counts,
        "shift": _are_ints,
        "sorted": _is_flag,
        "source": _are_ints,
        "sparse": lambda value: not value,
        "subscripts": lambda value: isinstance(value, str),
        "synchronized": lambda value: not value,
        "threshold": _is_number,
        "x_max": _maybe(_are_numbers),
        "x_min": _maybe(_are_numbers),
    }
)
"""Which values the settings of operations can have. Those of other names say nothing where they are None."""


def module_of(operation: str) -> str | None:
    """The module in which Keras 3 has an operation that we have too, else None."""
    return next((module for module, table in MODULES.items() if operation in table), None)


class Operation(Layer):
    """An operation of Keras 3 as a layer: `Operation("Sum", {"axis": 1})`.

    `operation` is its class there, `settings` are what that was made with. It is called as the operation is, on tensors
    and other arguments, of which the first is a tensor, a number, or a list of these. Masks end here.
    Raises UnsupportedError for an operation or an argument that we do not have, ArgumentError for one that is wrong.
    """

    autocast = False

    def __init__(self, operation: str, settings: Mapping[str, Any] | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        module = module_of(operation) if isinstance(operation, str) else None
        if module is None:
            raise UnsupportedError(
                describe(
                    "an operation of Keras 3 that kgraph does not have",
                    expected=", ".join(sorted(name for table in MODULES.values() for name in table)),
                    got=operation,
                    where=self.name,
                )
            )
        self.operation = operation
        if not isinstance(settings, Mapping | None):
            self._refuse(repr(settings)[:200])
        self.settings = dict(settings or {})
        for key, value in self.settings.items():
            if not SETTINGS.get(key, _is_nothing)(value):
                self._refuse(f"{key}={value!r}"[:200])
        self._function = MODULES[module][operation]
        self.supports_masking = True

    def __call__(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        given = {
            key: value for key, value in kwargs.items() if key not in ("training", "mask")
        }  # for all layers
        unknown = given.keys() - signature(self._function).parameters.keys()
        if unknown:
            self._refuse(", ".join(sorted(map(str, unknown))))
        return super().__call__(inputs, *args, **given)

    def call(self, inputs: Any, *args: Any, **further: Any) -> Any:
        try:
            bound = signature(self._function).bind(_plain(inputs), *args, **further, **self.settings)
        except TypeError as error:
            self._refuse(str(error))
        try:
            return self._function(*bound.args, **bound.kwargs)
        except (TypeError, AttributeError, ValueError, ArithmeticError, LookupError, MemoryError) as error:
            if isinstance(error, KgraphError):
                raise
            self._refuse(str(error))

    def _refuse(self, got: str) -> NoReturn:
        raise ArgumentError(
            describe(f"arguments that {self.operation} does not take", got=got, where=self.name)
        ) from None

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        return None


def _plain(inputs: Any) -> Any:
    """Numbers, of which a layer's call has made tensors, as numbers."""

    def number(x: Any) -> Any:
        return x.value.array.item() if is_number(x) else x

    return map_structure(number, inputs)


def is_number(x: Any) -> bool:
    """Whether something is a tensor that stands for one constant number."""
    return isinstance(x, Tensor) and isinstance(x.value, ir.Constant) and x.value.array.ndim == 0


register({"Operation": Operation})

# -- bare operators

_SAME = {
    "abs": "Absolute", "add": "Add", "and": "LogicalAnd", "arctan": "Arctan", "ceil": "Ceil", "cos": "Cos",
    "div": "Divide", "equal": "Equal", "erf": "Erf", "exp": "Exp", "expm1": "Expm1", "floor": "Floor",
    "greater": "Greater", "greater_equal": "GreaterEqual", "is_nan": "Isnan", "less": "Less", "less_equal": "LessEqual",
    "log": "Log", "log1p": "Log1p", "maximum": "Maximum", "minimum": "Minimum", "mod": "Mod", "mul": "Multiply",
    "neg": "Negative", "not": "LogicalNot", "or": "LogicalOr", "pow": "Power", "reciprocal": "Reciprocal",
    "relu": "Relu", "round": "Round", "sigmoid": "Sigmoid", "sign": "Sign", "sin": "Sin", "softplus": "Softplus",
    "softsign": "Softsign", "sqrt": "Sqrt", "stop_gradient": "StopGradient", "sub": "Subtract", "tanh": "Tanh",
    "where": "Where",
}  # fmt: skip
_ALONG = {
    "concat": "Concatenate",
    "cum_sum": "Cumsum",
    "gather": "Take",
    "log_softmax": "LogSoftmax",
    "softmax": "Softmax",
}
_REDUCED = {
    "reduce_sum": "Sum",
    "reduce_mean": "Mean",
    "reduce_max": "Max",
    "reduce_min": "Min",
    "reduce_prod": "Prod",
}


def spelling(call: ir.Call, where: str) -> tuple[str, dict[str, Any], list[Any]]:
    """A step of the graph as an operation of Keras 3: its class, its settings, and further arguments of the call.

    Raises UnsupportedError where Keras 3 has none that says the same.
    """
    op: Any = call.op
    shape = call.inputs[0].shape
    if op.name in _SAME:
        return _SAME[op.name], {}, []
    if op.name in _REDUCED:
        return _REDUCED[op.name], {"axis": list(op.axes), "keepdims": op.keepdims}, []
    if op.name == "reshape":
        return _reshaping(shape, op.shape, where)
    if op.name == "transpose":
        return "Transpose", {"axes": list(op.perm)}, []
    if op.name == "reverse":
        return "Flip", {"axis": list(op.axes)}, []
    if op.name in _ALONG:
        return _ALONG[op.name], {"axis": op.axis}, []
    if op.name == "one_hot":
        return "OneHot", {"num_classes": op.depth, "dtype": op.dtype}, []
    if op.name == "tile":
        return "Tile", {"repeats": list(op.repeats)}, []
    if op.name == "pad" and all(isinstance(n, int) for pair in op.pads for n in pair):
        return "Pad", {"pad_width": [list(pair) for pair in op.pads], "mode": "constant"}, [op.value]
    if op.name == "clip" and all(isinstance(bound, ir.Constant) for bound in call.inputs[1:]):
        low, high = (bound.array.item() for bound in call.inputs[1:] if isinstance(bound, ir.Constant))
        return "Clip", {"x_min": low, "x_max": high}, []
    if op.name == "cast":
        return "Cast", {"dtype": op.dtype}, []
    if op.name == "matmul" and not op.transpose_a and not op.transpose_b:
        return "Matmul", {}, []
    if op.name == "slice":
        starts = [_position(*at) for at in zip(op.starts, shape, strict=True)]
        stops = [None if at[0] == at[1] else _position(*at) for at in zip(op.stops, shape, strict=True)]
        if all(n is None or isinstance(n, int) for n in (*starts, *stops, *op.steps)):
            return "GetItem", {}, [[slice(*part) for part in zip(starts, stops, op.steps, strict=True)]]
    _refuse_to_spell(op, where)


def _position(at: Any, size: Any) -> Any:
    """A position on an axis; where the size is not known, one near the end counts from there, as the index -1 does."""
    if not isinstance(at, Sym) or not isinstance(size, Sym):
        return at
    # So far out what counts from the end is not below 0.
    far = dict.fromkeys(at.symbols() | size.symbols(), 1 << 20)
    back = evaluate_dim(at, far) - evaluate_dim(size, far)
    return back if at in (size + back, maximum(size + back, 0)) else at


def _reshaping(old: Any, new: Any, where: str) -> tuple[str, dict[str, Any], list[Any]]:
    """A change of shape: one size may be left open; more where all that happens is to axes of size 1."""
    if sum(not isinstance(d, int) for d in new) <= 1:
        return "Reshape", {"newshape": [d if isinstance(d, int) else -1 for d in new]}, []
    ones_before, ones_after = ([i for i, d in enumerate(dims) if d == 1] for dims in (old, new))
    if [d for d in old if d != 1] == list(new):
        return "Squeeze", {"axis": ones_before}, []
    if [d for d in new if d != 1] == list(old):
        return "ExpandDims", {"axis": ones_after}, []
    _refuse_to_spell(f"reshape to {new}", where)


def _refuse_to_spell(op: Any, where: str) -> NoReturn:
    raise UnsupportedError(
        describe(
            "an operator between layers has no name in Keras's files",
            expected="a Lambda layer of a named function, or a custom layer",
            got=op,
            where=where,
        )
    )
