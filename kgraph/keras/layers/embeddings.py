"""Embedding: integers to vectors."""

from __future__ import annotations

from typing import Any

from kgraph.errors import ShapeError, describe
from kgraph.keras.layers.arguments import positive_int
from kgraph.keras.layers.parameters import Parametric
from kgraph.keras.legacy import legacy
from kgraph.keras.tensor import Tensor
from kgraph.ops.logic import Not, cast, equal
from kgraph.ops.shape import Gather


class Embedding(Parametric):
    """y = embeddings[x].   x integers [batch, *S] below `input_dim` -> y [batch, *S, output_dim].

    With `mask_zero` the index 0 means padding: the mask is x != 0. `input_length` is the length of the sequences, for
    layers after it that must know; inputs of another length raise ShapeError.
    Weights: embeddings [input_dim, output_dim].
    """

    input_dtype = "int32"
    precise = True

    @legacy(
        embeddings_initializer="init",
        embeddings_regularizer="W_regularizer",
        embeddings_constraint="W_constraint",
    )
    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        embeddings_initializer: Any = "uniform",
        embeddings_regularizer: Any = None,
        activity_regularizer: Any = None,
        embeddings_constraint: Any = None,
        mask_zero: bool = False,
        input_length: Any = None,
        **kwargs: Any,
    ) -> None:
        if not kwargs.keys() & {"input_shape", "batch_input_shape", "batch_shape"}:
            lengths = input_length if isinstance(input_length, list | tuple) else (input_length,)
            kwargs["input_shape"] = tuple(lengths)
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        self.input_dim = positive_int(input_dim, "input_dim")
        self.output_dim = positive_int(output_dim, "output_dim")
        self.prescribe("embeddings", embeddings_initializer, embeddings_regularizer, embeddings_constraint)
        self.mask_zero = bool(mask_zero)
        self.supports_masking = self.mask_zero
        self.input_length = input_length

    def build(self, input_shape: Any) -> None:
        self.embeddings = self.make("embeddings", (self.input_dim, self.output_dim))
        self.built = True

    def call(self, inputs: Tensor) -> Tensor:
        self._check_length(inputs)
        x = inputs.value
        positions = x if x.dtype in ("int32", "int64") else cast(x, "int32")
        return Tensor(Gather(0)(self.embeddings.value, positions))

    def compute_mask(self, inputs: Tensor, mask: Any = None) -> Any:
        return Tensor(Not()(equal(inputs.value, 0))) if self.mask_zero else None

    def _check_length(self, inputs: Tensor) -> None:
        if self.input_length is None:
            return
        wanted = self.input_length if isinstance(self.input_length, list | tuple) else (self.input_length,)
        pairs = zip(wanted, inputs.shape[1:], strict=False)
        if len(wanted) != inputs.ndim - 1 or any(a != b for a, b in pairs if None not in (a, b)):
            raise ShapeError(
                describe(
                    f"layer {self.name}: input_length does not fit",
                    expected=list(wanted),
                    got=inputs.shape[1:],
                    where=self.name,
                )
            )
