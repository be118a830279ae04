"""Normalisation, with statistics of the batch, of each sample, of groups of its channels, or of vectors."""

from __future__ import annotations

from typing import Any

from kgraph.errors import ArgumentTypeError, NotBuiltError, ShapeError, describe
from kgraph.ir.graph import Value
from kgraph.ir.types import normalize_axis
from kgraph.keras import backend as K
from kgraph.keras.backend.control import gated_train_phase
from kgraph.keras.layers.arguments import fraction, positive_int
from kgraph.keras.layers.base import Layer
from kgraph.keras.layers.config import extends
from kgraph.keras.layers.nodes import InputSpec
from kgraph.keras.layers.parameters import Parametric
from kgraph.keras.legacy import legacy
from kgraph.keras.tensor import Tensor, Variable
from kgraph.ops.broadcast import reshape
from kgraph.ops.elementwise import add, div, maximum, mul, sqrt, square, sub
from kgraph.ops.logic import cast
from kgraph.ops.norm import BatchNorm, BatchNormTrain, along_axes, layer_norm, rms_norm, standardise
from kgraph.ops.reduce import reduce_sum
from kgraph.ops.shape import full


class Affine(Parametric):
    """Base of the layers that scale what they normalise by gamma, and shift it by beta.

    Without `scale` there is no gamma, without `center` no beta.
    """

    supports_masking = True
    precise = True

    def __init__(
        self,
        axis: Any = -1,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.axis = axis
        self.epsilon = float(epsilon)
        self.center = bool(center)
        self.scale = bool(scale)
        self.prescribe("beta", beta_initializer, beta_regularizer, beta_constraint)
        self.prescribe("gamma", gamma_initializer, gamma_regularizer, gamma_constraint)
        self.gamma: Variable | None = None
        self.beta: Variable | None = None

    def make_affine(self, shape: tuple[int, ...]) -> None:
        """Create the weights `gamma` and `beta`, as far as there are to be any."""
        self.gamma = self.make("gamma", shape) if self.scale else None
        self.beta = self.make("beta", shape) if self.center else None


class BatchNormalization(Affine):
    """y = gamma (x - mean) / sqrt(variance + epsilon) + beta, for each channel on `axis`.

    In training mean and (biased) variance are those of the batch, and the moving ones follow them:
    moving = momentum * moving + (1 - momentum) * batch. Otherwise, and in a frozen layer, the moving ones are used.
    Masked steps do not count. Ioffe and Szegedy, "Batch normalization", 2015.

    Weights, each [channels]: gamma, beta, moving_mean, moving_variance.
    """

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
        super().__init__(
            axis=axis[0] if isinstance(axis, list | tuple) and len(axis) == 1 else axis,
            epsilon=epsilon,
            center=center,
            scale=scale,
            beta_initializer=beta_initializer,
            gamma_initializer=gamma_initializer,
            beta_regularizer=beta_regularizer,
            gamma_regularizer=gamma_regularizer,
            beta_constraint=beta_constraint,
            gamma_constraint=gamma_constraint,
            **kwargs,
        )
        _check_axis(self, several=False)
        self.momentum = fraction(momentum, "momentum")
        self.prescribe("moving_mean", moving_mean_initializer)
        self.prescribe("moving_variance", moving_variance_initializer)

    def build(self, input_shape: Any) -> None:
        (channels,) = _sizes(self, input_shape)
        self.make_affine((channels,))
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


class LayerNormalization(Affine):
    """y = gamma (x - mean) / sqrt(variance + epsilon) + beta, with mean and variance of each sample over `axis`.

    `axis` is an axis or a list of axes. With `rms_scaling`, kept for old files, y = gamma x / sqrt(variance
    + epsilon), and there is a gamma but no beta. Ba et al., "Layer normalization", 2016.

    Weights, each of the sizes of the axes: gamma, beta.
    Raises ArgumentTypeError for an axis that is no integer, NotBuiltError where the size of an axis is not known.
    """

    @extends(Affine.__init__)
    def __init__(self, *args: Any, rms_scaling: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _check_axis(self)
        self.rms_scaling = bool(rms_scaling)

    def build(self, input_shape: Any) -> None:
        shape = _sizes(self, input_shape)
        if self.rms_scaling:
            self.gamma = self.make("gamma", shape)
        else:
            self.make_affine(shape)
        self.built = True

    def call(self, inputs: Tensor) -> Tensor:
        x = cast(inputs.value, self.dtype)
        axes = _axes(self, x.rank)
        gamma, beta = (None if weight is None else weight.value for weight in (self.gamma, self.beta))
        if gamma is None or not self.rms_scaling:
            return Tensor(layer_norm(x, gamma, beta, axes, self.epsilon))
        _, inverse = standardise(x, axes, self.epsilon)
        return Tensor(mul(mul(x, inverse), along_axes(gamma, x, axes)))


class GroupNormalization(Affine):
    """y = gamma (x - mean) / sqrt(variance + epsilon) + beta, with mean and variance over groups of channels.

    The channels on `axis` fall into `groups` groups, side by side; mean and variance are those of one group of one
    sample, over all other axes too. groups=-1 makes each channel a group. Wu and He, "Group normalization", 2018.

    Weights, each [channels]: gamma, beta.
    Raises ArgumentError for a bad number of groups, ShapeError when it does not divide the channels.
    """

    @extends(Affine.__init__)
    def __init__(self, groups: int = 32, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _check_axis(self, several=False)
        self.groups = groups if groups == -1 else positive_int(groups, "groups")

    def build(self, input_shape: Any) -> None:
        (channels,) = _sizes(self, input_shape)
        if channels % self._groups_of(channels):
            raise ShapeError(
                describe(
                    f"layer {self.name} cannot divide its channels into groups",
                    expected=f"a multiple of {self.groups}",
                    got=channels,
                    where=self.name,
                )
            )
        self.make_affine((channels,))
        self.input_spec = InputSpec(ndim=len(input_shape), axes={self.axis: channels})
        self.built = True

    def call(self, inputs: Tensor) -> Tensor:
        x = cast(inputs.value, self.dtype)
        (axis,) = _axes(self, x.rank)
        channels = x.shape[axis]
        assert isinstance(channels, int), "build has checked"
        groups = self._groups_of(channels)
        split = (*x.shape[:axis], groups, channels // groups, *x.shape[axis + 1 :])
        normal, _ = standardise(
            reshape(x, split), [i for i in range(1, len(split)) if i != axis], self.epsilon
        )
        y = reshape(normal, x.shape)
        if self.gamma is not None:
            y = mul(y, along_axes(self.gamma.value, x, [axis]))
        return Tensor(y if self.beta is None else add(y, along_axes(self.beta.value, x, [axis])))

    def _groups_of(self, channels: int) -> int:
        return channels if self.groups == -1 else self.groups


class RMSNormalization(Layer):
    """y = scale x / sqrt(mean(x²) + epsilon), the mean over `axis`: an axis or a list of axes.

    Masks end here, as in Keras.

    Weights: scale, of the sizes of the axes. Zhang and Sennrich, "Root mean square layer normalization", 2019.
    Raises ArgumentTypeError for an axis that is no integer, NotBuiltError where the size of an axis is not known.
    """

    precise = True

    def __init__(self, axis: Any = -1, epsilon: float = 1e-6, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis = axis
        self.epsilon = float(epsilon)
        _check_axis(self)

    def build(self, input_shape: Any) -> None:
        self.scale = self.add_weight("scale", _sizes(self, input_shape), initializer="ones")
        self.built = True

    def call(self, inputs: Tensor) -> Tensor:
        x = cast(inputs.value, self.dtype)
        axes = _axes(self, x.rank)
        return Tensor(mul(rms_norm(x, axes, self.epsilon), along_axes(self.scale.value, x, axes)))


class UnitNormalization(Layer):
    """y = x / sqrt(sum(x²)), the sum over `axis`: an axis or a list of axes. Where x is 0, y is 0.

    Raises ArgumentTypeError for an axis that is no integer.
    """

    supports_masking = True
    precise = True
    least = 1e-12

    def __init__(self, axis: Any = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis = axis
        _check_axis(self)

    def call(self, inputs: Tensor) -> Tensor:
        x = cast(inputs.value, self.dtype)
        # The bound is inside of the root, where the slope at zero is finite.
        total = maximum(reduce_sum(square(x), _axes(self, x.rank), True), self.least**2)
        return Tensor(div(x, sqrt(total)))


def _check_axis(layer: Any, several: bool = True) -> None:
    """Raise ArgumentTypeError unless a layer's `axis` is an integer or, if it may have `several`, a list of them."""
    axes = layer.axis if several and isinstance(layer.axis, list | tuple) else [layer.axis]
    if not axes or not all(isinstance(axis, int) for axis in axes):
        raise ArgumentTypeError(
            describe(
                f"{type(layer).__name__}: bad axis",
                expected="an integer" + (" or a list of them" if several else ""),
                got=repr(layer.axis),
                where=layer.name,
            )
        )


def _axes(layer: Any, rank: int) -> list[int]:
    """The axes of a layer, counted from the front, in the order of the input."""
    axes = layer.axis if isinstance(layer.axis, list | tuple) else [layer.axis]
    return sorted(normalize_axis(axis, rank, f"{type(layer).__name__} axis") for axis in axes)


def _sizes(layer: Any, input_shape: Any) -> tuple[int, ...]:
    """The sizes of the axes of a layer, which make its weights. Raises NotBuiltError where one is not known."""
    sizes = tuple(input_shape[axis] for axis in _axes(layer, len(input_shape)))
    if None in sizes:
        raise NotBuiltError(
            describe(
                f"layer {layer.name} must know its channels",
                expected=f"an integer on axis {layer.axis}",
                got=input_shape,
                where=layer.name,
            )
        )
    return sizes
