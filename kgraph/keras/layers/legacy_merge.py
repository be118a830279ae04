"""Keras 1's `Merge`, which joins branches in front of a Sequential, and the function `merge`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from kgraph.errors import ArgumentError, describe
from kgraph.keras.layers.base import Layer
from kgraph.keras.layers.core import Lambda
from kgraph.keras.layers.merge import (
    Add,
    Average,
    Concatenate,
    Dot,
    Maximum,
    Minimum,
    Multiply,
)
from kgraph.keras.layers.nodes import flatten
from kgraph.keras.layers.registry import deserialize, serialize
from kgraph.keras.legacy import warn_legacy
from kgraph.keras.tensor import Tensor

MODES: Mapping[str, Callable[[Any], Layer]] = MappingProxyType(
    {
        "sum": lambda merge: Add(),
        "mul": lambda merge: Multiply(),
        "ave": lambda merge: Average(),
        "max": lambda merge: Maximum(),
        "min": lambda merge: Minimum(),
        "concat": lambda merge: Concatenate(merge.concat_axis),
        "dot": lambda merge: Dot(merge.dot_axes),
        "cos": lambda merge: Dot(merge.dot_axes, normalize=True),
    }
)
"""The layer of today that each mode stands for."""


class Merge(Layer):
    """Joins the outputs of `layers` (models or layers) into one tensor: the first layer of a Sequential, whose inputs
    are then those of the branches. Without `layers` it is called on a list of tensors.

    Args: `mode` "sum", "mul", "ave", "max", "min", "concat" (along `concat_axis`), "dot" or "cos" (over `dot_axes`), or
    a function of the list of tensors, which gets `arguments` too; `output_shape` and `output_mask` are those of such a
    function.
    Raises ArgumentError for another mode.
    """

    supports_masking = True

    def __init__(
        self,
        layers: Sequence[Any] | None = None,
        mode: Any = "sum",
        concat_axis: int = -1,
        dot_axes: Any = -1,
        output_shape: Any = None,
        output_mask: Any = None,
        arguments: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        warn_legacy("Merge", "Merge(layers, mode)", "Model with the layers Add, Concatenate, Dot, …")
        self.branches = list(layers) if layers else None
        self.mode = mode
        self.concat_axis = concat_axis
        self.dot_axes = _pair(dot_axes)
        self._output_mask = output_mask
        self.arguments = dict(arguments or {})
        self.output_shape_argument = output_shape
        self._join = self._joining_layer()

    def _joining_layer(self) -> Layer:
        if callable(self.mode):
            return Lambda(self.mode, self.output_shape_argument, self._output_mask, self.arguments)
        if self.mode not in MODES:
            raise ArgumentError(
                describe(
                    "Merge: unknown mode",
                    expected=f"{', '.join(MODES)}, or a function",
                    got=repr(self.mode),
                    where=self.name,
                )
            )
        return MODES[self.mode](self)

    def merged(self) -> Tensor:
        """The join of the branches' outputs."""
        branches = self.branches or []
        if len(branches) < 2:
            raise ArgumentError(
                describe(
                    "Merge joins branches",
                    expected="a list of 2 or more models or layers",
                    got=len(branches),
                    where=self.name,
                )
            )
        return self([output for branch in branches for output in flatten(_output(branch))])

    def call(self, inputs: Any) -> Any:
        return self._join(inputs)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        return self._join.compute_mask(inputs, mask)

    def get_config(self) -> dict[str, Any]:
        """The branches stand in it as plain data; functions stand in it as they are, as in `Lambda`."""
        return {
            **super().get_config(),
            "layers": None if self.branches is None else [serialize(branch) for branch in self.branches],
            "mode": self.mode,
            "concat_axis": self.concat_axis,
            "dot_axes": self.dot_axes,
            "output_shape": self.output_shape_argument,
            "output_mask": self._output_mask,
            "arguments": self.arguments,
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any], custom_objects: Any = None) -> Merge:
        layers = config.get("layers")
        branches = None if layers is None else [deserialize(layer, custom_objects) for layer in layers]
        return cls(**{**config, "layers": branches})


def merge(inputs: Sequence[Any], mode: Any = "sum", **kwargs: Any) -> Any:
    """`Merge` of tensors: `merge([a, b], mode="concat", concat_axis=1)`."""
    return Merge(mode=mode, **kwargs)(list(inputs))


def _output(branch: Any) -> Any:
    return branch if isinstance(branch, Tensor) else branch.output


def _pair(axes: Any) -> Any:
    """Keras 1 took an axis, two axes, or two lists of one axis each."""
    if isinstance(axes, list | tuple):
        return tuple(axis[0] if isinstance(axis, list | tuple) else axis for axis in axes)
    return axes
