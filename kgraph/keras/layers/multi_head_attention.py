"""Several attentions side by side. Vaswani et al., "Attention is all you need", 2017."""

from __future__ import annotations

from string import ascii_lowercase
from typing import Any

from kgraph.errors import ArgumentError, ShapeError, UnsupportedError, describe
from kgraph.ir.graph import Value
from kgraph.ir.types import normalize_axis
from kgraph.keras.layers.advanced_activations import masked_softmax
from kgraph.keras.layers.arguments import fraction, positive_int
from kgraph.keras.layers.attention import both, causal, dropped
from kgraph.keras.layers.einsum_dense import EinsumDense
from kgraph.keras.layers.nodes import as_tensor
from kgraph.keras.layers.noise import Salted
from kgraph.keras.layers.parameters import Parametric
from kgraph.keras.tensor import Tensor
from kgraph.ops.broadcast import reshape
from kgraph.ops.einsum import einsum
from kgraph.ops.elementwise import Abs, mul, sub
from kgraph.ops.logic import cast, less
from kgraph.ops.shape import Iota, expand_dims


class MultiHeadAttention(Salted, Parametric):
    """y = output(heads), head h = softmax(query_h(query) · key_h(key) / sqrt(key_dim)) @ value_h(value).

    query [batch, t, d], value [batch, s, e], key [batch, s, f] (by default the value) -> y [batch, t, d], or with
    `output_shape` [batch, t, *output_shape]; with `return_attention_scores` also the weights [batch, num_heads, t, s].
    There may be more axes between the batch and the features: `attention_axes` says along which of them to attend, by
    default all, and the others count as batch.

    What is attended to are the steps that all masks allow: those of query, value and key, which come with the inputs or
    as arguments; `attention_mask` [batch, t, s] or [batch, num_heads, t, s]; with `use_causal_mask` those up to the
    query's own; with `sliding_window` w those less than w away. A step that may attend to nothing gets the mean of all
    values, as in Keras; but 0 where there is dropout, weights are returned, or there are more axes.

    `use_gate` multiplies the heads by sigmoid(gate(query)) (Qiu et al., "Gated attention for large language models",
    2025). `flash_attention`, a hint to other backends, changes nothing.

    Weights: those of the EinsumDense layers query_dense, key_dense, value_dense and output_dense, and of the gate; the
    arguments on kernels, biases and activities are theirs.
    Raises ArgumentError for bad axes, ShapeError for inputs of different ranks, UnsupportedError for causal masks and
    windows along several axes.
    """

    supports_masking = True

    def __init__(
        self,
        num_heads: int,
        key_dim: int,
        value_dim: int | None = None,
        dropout: float = 0.0,
        use_bias: bool = True,
        output_shape: Any = None,
        attention_axes: Any = None,
        sliding_window: int | None = None,
        flash_attention: bool | None = None,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        use_gate: bool = False,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(seed=seed, activity_regularizer=activity_regularizer, **kwargs)
        self.num_heads = positive_int(num_heads, "num_heads")
        self.key_dim = positive_int(key_dim, "key_dim")
        self.value_dim = self.key_dim if value_dim is None else positive_int(value_dim, "value_dim")
        self.dropout = fraction(dropout, "dropout")
        self.use_bias = bool(use_bias)
        sizes = (output_shape,) if isinstance(output_shape, int) else tuple(output_shape or ())
        self.output_shape_argument = sizes or None
        self.attention_axes = (
            (attention_axes,) if isinstance(attention_axes, int) else tuple(attention_axes or ()) or None
        )
        self.sliding_window = (
            None if sliding_window is None else positive_int(sliding_window, "sliding_window")
        )
        self.flash_attention = flash_attention
        self.use_gate = bool(use_gate)
        self.prescribe("kernel", kernel_initializer, kernel_regularizer, kernel_constraint)
        self.prescribe("bias", bias_initializer, bias_regularizer, bias_constraint)

    def build(self, query_shape: Any, value_shape: Any = None, key_shape: Any = None) -> None:
        """Make the inner layers, for values and keys of the query's rank.

        Their weights are made when the shape of the value is known: here, if it is given, or in the first call.
        """
        rank = len(query_shape)
        axes = self.attention_axes or range(1, rank - 1)
        self._axes = tuple(normalize_axis(axis, rank - 1, "attention_axes") for axis in axes)
        if not self._axes or 0 in self._axes or len(set(self._axes)) != len(self._axes):
            raise ArgumentError(
                describe(
                    f"layer {self.name}: bad attention_axes",
                    expected="axes between the batch and the features, each once",
                    got=f"{self.attention_axes} for a query of rank {rank}",
                    where=self.name,
                )
            )
        heads = (self.num_heads, self.key_dim)
        self.query_dense = self._projection("query", rank - 1, 1, heads)
        self.key_dense = self._projection("key", rank - 1, 1, heads)
        if self.use_gate:
            of_gate = (self.num_heads, self.value_dim)
            self._gate_dense = self._projection("gate", rank - 1, 1, of_gate, "sigmoid")
        self.value_dense = self._projection("value", rank - 1, 1, (self.num_heads, self.value_dim))
        features = self.output_shape_argument or (query_shape[-1],)
        self.output_dense = self._projection("attention_output", rank - 1, 2, features)
        if value_shape is not None:
            found = (*query_shape[:-1], self.num_heads, self.value_dim)
            shapes = [
                query_shape,
                key_shape or value_shape,
                *[query_shape] * self.use_gate,
                value_shape,
                found,
            ]
            for inner, shape in zip(self._sublayers(), shapes, strict=True):
                inner.build(shape)
        self.built = True

    def compute_output_shape(self, query_shape: Any, value_shape: Any = None, key_shape: Any = None) -> Any:
        """The shape of y, which does not depend on those of value and key."""
        return (*query_shape[:-1], *(self.output_shape_argument or query_shape[-1:]))

    def _projection(
        self, name: str, free: int, bound: int, made: tuple[int, ...], activation: str | None = None
    ) -> EinsumDense:
        """The layer [*free, *bound] -> [*free, *made]."""
        kept, summed = ascii_lowercase[:free], ascii_lowercase[free : free + bound]
        new = ascii_lowercase[free + bound :][: len(made)]
        return EinsumDense(
            f"{kept}{summed},{summed}{new}->{kept}{new}",
            (*[None] * (free - 1), *made),
            activation=activation,
            bias_axes=new if self.use_bias else None,
            kernel_initializer=self.kernel_initializer,
            bias_initializer=self.bias_initializer,
            kernel_regularizer=self.kernel_regularizer,
            bias_regularizer=self.bias_regularizer,
            kernel_constraint=self.kernel_constraint,
            bias_constraint=self.bias_constraint,
            activity_regularizer=self.activity_regularizer,
            dtype=self._dtype_policy,
            name=name,
        )

    def call(
        self,
        query: Tensor,
        value: Any,
        key: Any = None,
        query_mask: Any = None,
        value_mask: Any = None,
        key_mask: Any = None,
        attention_mask: Any = None,
        return_attention_scores: bool = False,
        training: Any = None,
        use_causal_mask: bool = False,
    ) -> Any:
        value = as_tensor(value)
        key = value if key is None else as_tensor(key)
        self._check_ranks(query, value, key)
        of_query, of_value, of_key = (
            as_tensor(tensor._keras_mask if mask is None else mask)
            for tensor, mask in ((query, query_mask), (value, value_mask), (key, key_mask))
        )
        query, value, key = (Tensor(tensor.value) for tensor in (query, value, key))  # their masks end here
        scores, combine = self._scores(self.query_dense(query).value, self.key_dense(key).value)
        valid = self._valid(scores, use_causal_mask, as_tensor(attention_mask), of_query, of_value, of_key)
        count = len(self._axes)
        zeros = bool(self.dropout) or return_attention_scores or query.ndim != 3
        weights = Tensor(masked_softmax(scores, range(scores.rank - count, scores.rank), valid, zeros))
        found = einsum(combine, dropped(weights, self, training).value, self.value_dense(value).value)
        if self.use_gate:
            found = mul(found, self._gate_dense(query).value)
        y = self.output_dense(Tensor(found))
        return (y, weights) if return_attention_scores else y

    def _scores(self, query: Value, key: Value) -> tuple[Value, str]:
        """[*B, heads, *T, *S], where *T and *S are the axes of attention, and what joins them with the values."""
        letters = iter(ascii_lowercase)
        of_query = [next(letters) for _ in range(query.rank)]
        of_key = [next(letters) if axis in self._axes else name for axis, name in enumerate(of_query)]
        kept = [name for axis, name in enumerate(of_query[:-1]) if axis not in self._axes]
        kept += [names[axis] for names in (of_query, of_key) for axis in self._axes]
        made, target, source = ("".join(names) for names in (kept, of_query, of_key))
        scaled = mul(query, self.key_dim**-0.5)
        return einsum(f"{target},{source}->{made}", scaled, key), f"{made},{source}->{target}"

    def _valid(
        self, scores: Value, use_causal_mask: bool, attention_mask: Any, *masks: Tensor | None
    ) -> Value | None:
        """Which scores count, in a shape that broadcasts to theirs; None where all do."""
        count = len(self._axes)

        def lifted(mask: Value) -> Value:
            """A mask [.., *T, *S] with axes of size 1 for the heads, and for what else it lacks."""
            front, last = mask.shape[: -2 * count], mask.shape[-2 * count :]
            return reshape(mask, (*front, *[1] * (scores.rank - mask.rank), *last))

        found: Value | None = None
        for place, mask in enumerate(masks):
            if mask is not None:
                flags, ones = cast(mask.value, "bool"), [1] * count
                front, last = flags.shape[:-count], flags.shape[-count:]
                shape = (*front, *last, *ones) if place == 0 else (*front, *ones, *last)
                found = both(found, lifted(reshape(flags, shape)))
        if attention_mask is not None:
            found = both(found, lifted(cast(attention_mask.value, "bool")))
        if not use_causal_mask and self.sliding_window is None:
            return found
        if count > 1:
            raise UnsupportedError(
                describe(
                    f"layer {self.name}: a causal mask or a window along several axes",
                    expected="one of attention_axes",
                    got=self._axes,
                    where=self.name,
                )
            )
        rows, columns = scores.shape[-2:]
        if use_causal_mask:
            found = both(found, lifted(causal(rows, columns)))
        if self.sliding_window is not None:
            distance = Abs()(sub(expand_dims(Iota(rows)(), 1), Iota(columns)()))
            found = both(found, lifted(less(distance, self.sliding_window)))
        return found

    def _check_ranks(self, *tensors: Tensor) -> None:
        if len({tensor.ndim for tensor in tensors}) > 1:
            raise ShapeError(
                describe(
                    f"layer {self.name}: query, value and key must have as many axes",
                    expected=f"rank {tensors[0].ndim}",
                    got=", ".join(str(tensor.value.type) for tensor in tensors),
                    where=self.name,
                )
            )

    def _regularize_activity(self, outputs: Any) -> None:
        """Activities are those of the inner layers."""
