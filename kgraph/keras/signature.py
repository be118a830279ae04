"""What a caller says about the inputs of an exported model: a fixed batch, a Keras `input_signature`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from kgraph.errors import ArgumentError, describe
from kgraph.ir.dims import Dim, symbol_name
from kgraph.ir.graph import Function, Input
from kgraph.keras.layers.nodes import flatten


@dataclass
class Signature:
    """Sizes by symbol, and new names by old name."""

    sizes: dict[str, int] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)

    def fix(self, leaf: Input, dim: Dim, size: int, given: Any) -> None:
        """Take note that a size of an input is known. Raises ArgumentError when it is another one."""
        name = symbol_name(dim)
        known = self.sizes.setdefault(name, size) if name is not None else dim
        if known != size:
            raise ArgumentError(
                describe(f"input {leaf.name!r} cannot have this size", expected=leaf.type, got=given)
            )


def read_signature(function: Function, batch: int | None, signature: Any) -> Signature:
    """What `batch` (the number of samples) and an `input_signature` as of Keras 3 say.

    The signature has one entry with a shape, and perhaps a dtype and a name, for each input: InputSpec, tensors, or
    whatever else has these. Raises ArgumentError where it contradicts the model.
    """
    found = Signature()
    if batch is not None:
        if not isinstance(batch, int) or isinstance(batch, bool) or batch < 1:
            raise ArgumentError(describe("bad batch", expected="a number of samples", got=repr(batch)))
        for leaf in function.inputs:
            if leaf.rank:
                found.fix(leaf, leaf.shape[0], batch, f"batch={batch}")
    if signature is not None:
        for leaf, entry in zip(function.inputs, _entries(function.inputs, signature), strict=True):
            _read_entry(found, leaf, entry)
    return found


def _entries(inputs: Sequence[Input], signature: Any) -> list[Any]:
    by_name = isinstance(signature, Mapping) and set(signature) == {leaf.name for leaf in inputs}
    entries = [signature[leaf.name] for leaf in inputs] if by_name else flatten(signature)
    if len(entries) != len(inputs) or any(getattr(entry, "shape", None) is None for entry in entries):
        raise ArgumentError(
            describe(
                "input_signature does not describe the inputs",
                expected=f"shapes for {', '.join(leaf.name for leaf in inputs)}",
                got=repr(signature),
            )
        )
    return entries


def _read_entry(found: Signature, leaf: Input, entry: Any) -> None:
    shape, dtype = tuple(entry.shape), getattr(entry, "dtype", None)
    kind = getattr(dtype, "name", dtype)
    if len(shape) != leaf.rank or (kind is not None and kind != leaf.dtype):
        raise ArgumentError(
            describe(
                f"input_signature contradicts input {leaf.name!r}", expected=leaf.type, got=f"{kind}{shape}"
            )
        )
    for dim, size in zip(leaf.shape, shape, strict=True):
        if size is not None:
            found.fix(leaf, dim, int(size), f"input_signature {shape}")
        elif isinstance(dim, int):
            raise ArgumentError(
                describe(f"input {leaf.name!r} has a size that is fixed", expected=leaf.type, got=shape)
            )
    if getattr(entry, "name", None):
        found.names[leaf.name] = str(entry.name)
