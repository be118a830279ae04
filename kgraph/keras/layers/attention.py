"""Attention: averages of values, weighted by how well their keys fit a query.

Masks are True where something counts. Those of scores have their last two axes: [.., steps of query, steps of value].
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from kgraph.errors import ArgumentTypeError, ShapeError, describe
from kgraph.ir.dims import Dim
from kgraph.ir.graph import Value
from kgraph.keras import backend as K
from kgraph.keras.layers.arguments import fraction, one_of
from kgraph.keras.layers.noise import Salted
from kgraph.keras.tensor import Tensor, Variable
from kgraph.ops.activations import softmax, tanh
from kgraph.ops.elementwise import add, mul, sub
from kgraph.ops.linalg import matmul
from kgraph.ops.logic import And, cast, greater_equal, where
from kgraph.ops.random import dropout
from kgraph.ops.reduce import reduce_sum
from kgraph.ops.shape import Iota, expand_dims


class Attending(Salted, ABC):
    """Base of the layers on [query, value] or [query, value, key]; without a key it is the value.

    y = dropout(softmax(scores(query, key))) @ value.   query [*B, t, d], key [*B, s, d], value [*B, s, v]
    -> y [*B, t, v], and with `return_attention_scores` also the weights [*B, t, s].

    Of masks [query mask, value mask] the second keeps steps of value out, and the first sets steps of y to 0 and is the
    mask of y. With `use_causal_mask` step i looks at steps up to i only.
    Raises ArgumentTypeError for inputs that are no list, ShapeError for another number of inputs.
    """

    supports_masking = True

    def __init__(self, use_scale: bool, dropout: float, *, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(seed=seed, **kwargs)
        self.use_scale = bool(use_scale)
        self.dropout = fraction(dropout, "dropout")
        self.scale: Variable | None = None

    @abstractmethod
    def scores(self, query: Value, key: Value) -> Value:
        """How well each key fits each query: [*B, t, d], [*B, s, d] -> [*B, t, s]."""

    def call(
        self,
        inputs: Any,
        mask: Any = None,
        training: Any = None,
        return_attention_scores: bool = False,
        use_causal_mask: bool = False,
    ) -> Any:
        query, value, *keys = (cast(tensor.value, self.compute_dtype) for tensor in inputs)
        of_query, of_value, *_ = [None, None] if mask is None else mask
        scores = self.scores(query, keys[0] if keys else value)
        valid = None if of_value is None else expand_dims(of_value.value, of_value.ndim - 1)
        if use_causal_mask:
            valid = both(valid, causal(*scores.shape[-2:]))
        if valid is not None:
            far = 65504.0 if scores.dtype == "float16" else 1e9
            scores = where(valid, scores, sub(scores, far))
        weights = dropped(Tensor(softmax(scores)), self, training)
        y = matmul(weights.value, value)
        if of_query is not None:
            y = where(expand_dims(of_query.value, of_query.ndim), y, 0.0)
        return (Tensor(y), weights) if return_attention_scores else Tensor(y)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        return None if mask is None else mask[0]

    def _check_inputs(self, inputs: Any) -> None:
        if not isinstance(inputs, list | tuple):
            raise ArgumentTypeError(
                describe(
                    f"layer {self.name} attends to one of several inputs",
                    expected="[query, value] or [query, value, key]",
                    got=inputs,
                    where=self.name,
                )
            )
        if len(inputs) not in (2, 3):
            raise ShapeError(
                describe(
                    f"layer {self.name}: wrong number of inputs",
                    expected="[query, value] or [query, value, key]",
                    got=len(inputs),
                    where=self.name,
                )
            )


class Attention(Attending):
    """Scores are products: scale query · key; with `score_mode="concat"` weight sum(tanh(scale (query + key))).

    Weights, numbers: scale, if `use_scale`; concat_score_weight, in that mode. Luong et al., "Effective approaches to
    attention-based neural machine translation", 2015.
    """

    def __init__(
        self,
        use_scale: bool = False,
        score_mode: str = "dot",
        dropout: float = 0.0,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(use_scale, dropout, seed=seed, **kwargs)
        self.score_mode = one_of(score_mode, ("dot", "concat"), "score_mode")

    def build(self, input_shape: Any) -> None:
        if self.use_scale:
            self.scale = self.add_weight("scale", (), initializer="ones")
        if self.score_mode == "concat":
            self.concat_score_weight = self.add_weight("concat_score_weight", (), initializer="ones")
        self.built = True

    def scores(self, query: Value, key: Value) -> Value:
        if self.score_mode == "dot":
            products = matmul(query, key, transpose_b=True)
            return products if self.scale is None else mul(products, self.scale.value)
        sums = pairwise_sums(query, key)
        bent = tanh(sums if self.scale is None else mul(sums, self.scale.value))
        return mul(reduce_sum(bent, -1), self.concat_score_weight.value)


class AdditiveAttention(Attending):
    """Scores are sum(scale tanh(query + key)) over the features; without `use_scale` the scale is 1.

    Weights: scale [d], if `use_scale`. Bahdanau et al., "Neural machine translation by jointly learning to align and
    translate", 2015.
    """

    def __init__(
        self, use_scale: bool = True, dropout: float = 0.0, *, seed: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(use_scale, dropout, seed=seed, **kwargs)

    def build(self, input_shape: Any) -> None:
        if self.use_scale:
            self.scale = self.add_weight("scale", (input_shape[0][-1],), initializer="glorot_uniform")
        self.built = True

    def scores(self, query: Value, key: Value) -> Value:
        bent = tanh(pairwise_sums(query, key))
        return reduce_sum(bent if self.scale is None else mul(bent, self.scale.value), -1)


def pairwise_sums(query: Value, key: Value) -> Value:
    """query [*B, t, d], key [*B, s, d] -> query + key [*B, t, s, d]."""
    return add(expand_dims(query, query.rank - 1), expand_dims(key, key.rank - 2))


def causal(rows: Dim, columns: Dim) -> Value:
    """[rows, columns], True where the column does not come after the row."""
    return greater_equal(expand_dims(Iota(rows)(), 1), Iota(columns)())


def both(mask: Value | None, other: Value | None) -> Value | None:
    """Where both masks are True; what is not given is True throughout."""
    if mask is None or other is None:
        return other if mask is None else mask
    return And()(mask, other)


def dropped(weights: Tensor, layer: Any, training: Any) -> Tensor:
    """The weights after the `dropout` of a layer, which is there in training."""
    if not layer.dropout:
        return weights
    return K.in_train_phase(
        lambda: Tensor(dropout(weights.value, layer.dropout, layer.salt())), weights, training
    )
