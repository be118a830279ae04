"""Batch normalisation. Ioffe and Szegedy, "Batch normalization", 2015."""

from __future__ import annotations

from typing import Any

from kgraph.errors import ArgumentTypeError, NotBuiltError, describe
from kgraph.ir.graph import Value
from kgraph.ir.types import normalize_axis
from kgraph.keras import backend as K
from kgraph.keras.backend.control import gated_train_phase
from kgraph.keras.layers.arguments import fraction
from kgraph.keras.layers.nodes import InputSpec
from kgraph.keras.layers.parameters import Parametric
from kgraph.keras.legacy import legacy
from kgraph.keras.tensor import Tensor, Variable
from kgraph.ops.broadcast import reshape
from kgraph.ops.elementwise import add, div, mul, square, sub
from kgraph.ops.logic import cast
from kgraph.ops.norm import BatchNorm, BatchNormTrain
from kgraph.ops.reduce import reduce_sum
from kgraph.ops.shape import full


class BatchNormalization(Parametric):
    """y = gamma (x - mean) / sqrt(variance + epsilon) + beta, for each channel on `axis`.

    In training mean and (biased) variance are those of the batch, and the moving ones follow them:
    moving = momentum * moving + (1 - momentum) * batch. Otherwise, and in a frozen layer, the moving ones are used.
    Masked steps do not count. Without `scale` there is no gamma, without `center` no beta.

    Weights, each [channels]: gamma, beta, moving_mean, moving_variance.
    """

    supports_masking = True

    @legacy(beta_initializer="beta_init", gamma_initializer="gamma_init")
    def __init__(
        self,
        axis: int = -1,
        momentum: float = 0.99,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        moving_mean_initializer: Any = "zeros",
        moving_variance_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.axis = axis[0] if isinstance(axis, list | tuple) and len(axis) == 1 else axis
        if not isinstance(self.axis, int):
            raise ArgumentTypeError(
                describe(
                    "BatchNormalization: bad axis", expected="an integer", got=repr(axis), where=self.name
                )
            )
        self.momentum = fraction(momentum, "momentum")
        self.epsilon = float(epsilon)
        self.center = bool(center)
        self.scale = bool(scale)
        self.prescribe("beta", beta_initializer, beta_regularizer, beta_constraint)
        self.prescribe("gamma", gamma_initializer, gamma_regularizer, gamma_constraint)
        self.prescribe("moving_mean", moving_mean_initializer)
        self.prescribe("moving_variance", moving_variance_initializer)
        self.gamma: Variable | None = None
        self.beta: Variable | None = None

    def build(self, input_shape: Any) -> None:
        channels = input_shape[normalize_axis(self.axis, len(input_shape), "BatchNormalization axis")]
        if channels is None:
            raise NotBuiltError(
                describe(
                    f"layer {self.name} must know its channels",
                    expected=f"an integer on axis {self.axis}",
                    got=input_shape,
                    where=self.name,
                )
            )
        self.gamma = self.make("gamma", (channels,)) if self.scale else None
        self.beta = self.make("beta", (channels,)) if self.center else None
        self.moving_mean = self.make("moving_mean", (channels,), trainable=False)
        self.moving_variance = self.make("moving_variance", (channels,), trainable=False)
        self.input_spec = InputSpec(ndim=len(input_shape), axes={self.axis: channels})
        self.built = True

    def call(self, inputs: Tensor, training: Any = None, mask: Any = None) -> Tensor:
        x = inputs.value
        scale = full(self._channels, 1.0, x.dtype) if self.gamma is None else self.gamma.value
        offset = full(self._channels, 0.0, x.dtype) if self.beta is None else self.beta.value
        given = BatchNorm(self.axis, self.epsilon)
        inferred = given(x, scale, offset, self.moving_mean.value, self.moving_variance.value)
        if training is not None and not self.trainable:
            training = False
        if mask is None:
            trained, mean, variance = BatchNormTrain(self.axis, self.epsilon).apply(x, scale, offset)
        else:
            mean, variance = self._masked_statistics(x, mask.value)
            trained = given(x, scale, offset, mean, variance)
        for moving, batch in ((self.moving_mean, mean), (self.moving_variance, variance)):
            kept = add(mul(moving.value, self.momentum), mul(batch, 1.0 - self.momentum))
            self.add_update((moving, gated_train_phase(Tensor(kept), moving, training, self._gate)))
        # Whether the layer is frozen is decided when a model is compiled, which may come after this.
        return gated_train_phase(Tensor(trained), Tensor(inferred), training, self._gate)

    @property
    def _channels(self) -> tuple[int, ...]:
        return self.moving_mean.variable.type.static_shape

    def _masked_statistics(self, x: Value, mask: Value) -> tuple[Value, Value]:
        """Mean and variance [c] over the steps where `mask` is True."""
        others = tuple(axis for axis in range(x.rank) if axis != self.axis % x.rank)
        weights = cast(reshape(mask, (*mask.shape, *[1] * (x.rank - mask.rank))), x.dtype)
        # Axes that the mask does not have count as often as they are long.
        total = reduce_sum(add(mul(x, 0.0), weights), others, True)
        total = add(total, K.epsilon())
        mean = div(reduce_sum(mul(x, weights), others, True), total)
        variance = div(reduce_sum(mul(square(sub(x, mean)), weights), others, True), total)
        return reshape(mean, self._channels), reshape(variance, self._channels)
