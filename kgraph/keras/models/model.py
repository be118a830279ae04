"""`Model`: a network that can be trained."""

from __future__ import annotations

from typing import Any

import numpy as np

from kgraph.ir.graph import Input as Leaf
from kgraph.keras import settings
from kgraph.keras.layers.nodes import flatten, map_structure
from kgraph.keras.models.network import Network
from kgraph.keras.tensor import Tensor, placeholder_type
from kgraph.keras.training.trainer import Trainer


class Model(Trainer, Network):
    """A model from tensors to tensors, `Model(inputs, outputs)`, or a subclass with a `call` of its own.

    The Keras 1 keywords `input` and `output` are understood.
    """

    def __init__(
        self, inputs: Any = None, outputs: Any = None, name: str | None = None, **kwargs: Any
    ) -> None:
        inputs = kwargs.pop("input", inputs)
        outputs = kwargs.pop("output", outputs)
        super().__init__(inputs, outputs, name=name, **kwargs)

    def _build_from_data(self, x: Any) -> None:
        """Trace a model without input shape for the shapes of some data; the batch stays open."""
        names = iter(range(1, len(flatten(x)) + 1))

        def placeholder(array: Any) -> Tensor:
            array = np.asarray(array)
            kind = (
                settings.floatx()
                if array.dtype.kind == "f"
                else "int32"
                if array.dtype.kind in "iu"
                else array.dtype.name
            )
            shape = (None, *(array.shape[1:] if array.ndim > 1 else (1,)))
            name = f"input_{next(names)}"
            return Tensor(Leaf(name, placeholder_type(shape, kind, name)), name)

        self._trace_on(map_structure(placeholder, x))

    def _trace_on(self, tensors: Any) -> None:
        """Take symbolic tensors as the inputs, and what the model makes of them as the outputs."""
        outputs = self(tensors)
        self._nested_inputs, self._nested_outputs = tensors, outputs
        self.inputs, self.outputs = flatten(tensors), flatten(outputs)
        self.input_names = [str(t.name) for t in self.inputs]
        self.output_names = [f"output_{i + 1}" for i in range(len(self.outputs))]
        if isinstance(outputs, dict):
            self.output_names = list(outputs)
