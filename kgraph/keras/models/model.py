"""`Model`: a network that can be trained."""

from __future__ import annotations

from typing import Any

from kgraph.keras.models.network import Network


class Model(Network):
    """A model from tensors to tensors, `Model(inputs, outputs)`, or a subclass with a `call` of its own.

    The Keras 1 keywords `input` and `output` are understood.
    """

    def __init__(
        self, inputs: Any = None, outputs: Any = None, name: str | None = None, **kwargs: Any
    ) -> None:
        inputs = kwargs.pop("input", inputs)
        outputs = kwargs.pop("output", outputs)
        super().__init__(inputs, outputs, name=name, **kwargs)

    def _forget_compiled(self) -> None:
        """Drop what was compiled for a graph that has changed."""
