"""Functions for particular callers: sizes that are fixed, images that come with their channels first.

Unlike passes these change the signature of a function, so whoever wants the result asks for it by name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from kgraph.errors import ArgumentError, describe
from kgraph.ir.dims import Sym, substitute_dim
from kgraph.ir.graph import Call, Function, Input, Value, transform
from kgraph.ops.shape import Transpose, inverse_permutation, transpose
from kgraph.passes.layout import SinkTransposes
from kgraph.passes.pipeline import Observer, run_pipeline


def fix_sizes(function: Function, sizes: Mapping[str, int]) -> Function:
    """The function for inputs whose symbolic sizes are known: {"batch": 8}. What `sizes` lacks stays symbolic."""
    if not sizes:
        return function
    mapping: dict[Value, Value] = {}
    for leaf in function.inputs:
        shape = tuple(substitute_dim(dim, sizes) for dim in leaf.shape)
        if shape != leaf.shape:
            mapping[leaf] = Input(leaf.name, leaf.type.with_shape(shape))

    def visit(call: Call, inputs: tuple[Value, ...]) -> Sequence[Value] | None:
        attributes = call.op.attributes()
        fixed = {key: _fixed(value, sizes) for key, value in attributes.items()}
        changed = {key: value for key, value in fixed.items() if value is not attributes[key]}
        return replace(call.op, **changed).apply(*inputs) if changed else None

    return transform(function, visit, mapping)


def _fixed(value: Any, sizes: Mapping[str, int]) -> Any:
    """An attribute with known sizes put in; the same object when it mentions none."""
    if isinstance(value, Sym):
        made = substitute_dim(value, sizes)
        return value if made == value else made
    if isinstance(value, tuple):
        items = tuple(_fixed(item, sizes) for item in value)
        return value if all(a is b for a, b in zip(items, value, strict=True)) else items
    return fix_sizes(value, sizes) if isinstance(value, Function) else value


def channels_first(function: Function, names: Iterable[str]) -> Function:
    """The function whose inputs `names`, [N, *S, C] so far, are given as [N, C, *S]; transposes cancel where they can.

    Raises ArgumentError for a name that is no input, or one of an input without spatial axes.
    """
    leaves = {leaf.name: leaf for leaf in function.inputs}
    mapping: dict[Value, Value] = {}
    signature = list(function.inputs)
    for name in names:
        leaf = leaves.get(name)
        if leaf is None or leaf.rank < 3:
            raise ArgumentError(
                describe(
                    "only an input [N, *S, C] can be given with channels first",
                    expected=", ".join(n for n, found in leaves.items() if found.rank >= 3) or "no input",
                    got=repr(name) if leaf is None else f"{name}: {leaf.type}",
                )
            )
        to_last = (0, *range(2, leaf.rank), 1)
        shape = tuple(leaf.shape[axis] for axis in inverse_permutation(to_last))
        turned = Input(name, leaf.type.with_shape(shape))
        signature[signature.index(leaf)] = turned
        mapping[leaf] = transpose(turned, to_last)
    if not mapping:
        return function
    made = function.replace(mapping)
    made = Function(function.name, tuple(signature), made.outputs, made.updates)
    return run_pipeline(made, [SinkTransposes()], Observer())


def image_inputs(function: Function) -> list[str]:
    """The inputs [N, H, W, C] that the function turns around anyway, so that channels first saves it the work."""
    found = []
    for leaf in function.inputs:
        if leaf.rank == 4 and _transposes(channels_first(function, [leaf.name])) < _transposes(function):
            found.append(leaf.name)
    return found


def _transposes(function: Function) -> int:
    """How many transposes a function has."""
    return sum(isinstance(call.op, Transpose) for call in function.calls())


def rename_inputs(function: Function, names: Mapping[str, str]) -> Function:
    """The function with inputs called otherwise: {"input_1": "image"}."""
    mapping: dict[Value, Value] = {
        leaf: Input(names[leaf.name], leaf.type)
        for leaf in function.inputs
        if names.get(leaf.name, leaf.name) != leaf.name
    }
    return function.replace(mapping) if mapping else function
