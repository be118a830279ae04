"""`Input` and `InputLayer`: where data enters a graph."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from kgraph.errors import ArgumentError, describe
from kgraph.ir import graph as ir
from kgraph.ir.dims import Sym
from kgraph.keras import settings
from kgraph.keras.layers.base import Layer
from kgraph.keras.layers.nodes import Node, remember
from kgraph.keras.tensor import Tensor, as_value, placeholder_type
from kgraph.keras.utils.naming import unique_name


class InputLayer(Layer):
    """A layer without inputs. Its one output is the placeholder, or the tensor given as `input_tensor`."""

    def __init__(
        self,
        input_shape: Any = None,
        batch_size: int | None = None,
        batch_input_shape: Any = None,
        dtype: str | None = None,
        input_tensor: Any = None,
        sparse: bool = False,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        batch_input_shape = batch_input_shape or kwargs.pop("batch_shape", None)
        super().__init__(name=name or unique_name("input"), dtype=dtype, **kwargs)
        if sparse:
            raise ArgumentError(
                describe("sparse inputs do not exist here", expected="sparse=False", where=self.name)
            )
        self.sparse = False
        self.built = True
        self.trainable = False
        self.is_placeholder = input_tensor is None
        if input_tensor is not None:
            tensor = Tensor(as_value(input_tensor), self.name)
        else:
            if batch_input_shape is None:
                if input_shape is None:
                    raise ArgumentError(
                        describe("an input needs a shape", expected="shape or batch_shape", where=self.name)
                    )
                batch_input_shape = (
                    batch_size,
                    *((input_shape,) if isinstance(input_shape, int) else input_shape),
                )
            _check_shape(batch_input_shape, self.name)
            kind = dtype or settings.floatx()
            tensor = Tensor(
                ir.Input(self.name, placeholder_type(batch_input_shape, kind, self.name)), self.name
            )
        self.batch_input_shape = tensor.shape
        self.dtype_policy = tensor.dtype
        node = Node(self, [], tensor, (), {})
        self._inbound_nodes.append(node)
        remember(tensor, self, 0, 0)

    @property
    def input(self) -> Tensor:
        return self._inbound_nodes[0].outputs

    def get_config(self) -> dict[str, Any]:
        return {
            "batch_input_shape": self.batch_input_shape,
            "dtype": self.dtype,
            "sparse": False,
            "name": self.name,
        }


def _check_shape(shape: Any, where: str) -> None:
    """Raise ArgumentError unless a shape is made of sizes, and of None for those that vary."""
    for size in shape:
        is_size = isinstance(size, int | np.integer) and not isinstance(size, bool) and size >= 0
        if not is_size and size is not None and not isinstance(size, Sym):
            raise ArgumentError(
                describe("bad shape of an input", expected="integers or None", got=shape, where=where)
            )


def Input(
    shape: Any = None,
    batch_shape: Any = None,
    name: str | None = None,
    dtype: str | None = None,
    sparse: bool = False,
    tensor: Any = None,
    batch_size: int | None = None,
) -> Tensor:
    """A symbolic input. `shape` leaves the batch out, `batch_shape` has it; None for sizes that vary.

    Raises ArgumentError when neither is given.
    """
    layer = InputLayer(shape, batch_size, batch_shape, dtype, tensor, sparse, name)
    return layer._inbound_nodes[0].outputs


def batch_inputs(shapes: Any) -> Any:
    """Inputs for batch shapes: for one, or for a list or dict of them; any number of samples.

    Raises ArgumentError for what is no shape.
    """
    if isinstance(shapes, Mapping):
        return {name: _batch_input(shape, str(name)) for name, shape in shapes.items()}
    if isinstance(shapes, list | tuple) and any(isinstance(shape, list | tuple) for shape in shapes):
        return [_batch_input(shape, f"input_{i + 1}") for i, shape in enumerate(shapes)]
    return _batch_input(shapes, "input_1")


def _batch_input(shape: Any, name: str) -> Tensor:
    sizes = list(shape) if isinstance(shape, list | tuple) else []
    if not sizes or any(size is not None and type(size) is not int for size in sizes):
        raise ArgumentError(
            describe("this is no shape of a batch", expected="numbers and None", got=f"{shape!r:.200}")
        )
    return Input(batch_shape=(None, *sizes[1:]), name=name)
