"""Layers of Keras 1 between plain Dense and something else: Highway and MaxoutDense."""

from __future__ import annotations

from typing import Any

from kgraph.keras import backend as K
from kgraph.keras.layers.arguments import positive_int
from kgraph.keras.layers.nodes import InputSpec
from kgraph.keras.layers.parameters import Kernel
from kgraph.keras.legacy import WEIGHTS, legacy
from kgraph.keras.tensor import Tensor
from kgraph.ops.broadcast import reshape
from kgraph.ops.linalg import matmul
from kgraph.ops.shape import transpose


class Highway(Kernel):
    """y = t * activation(x @ kernel + bias) + (1 - t) * x  with  t = sigmoid(x @ carry_kernel + carry_bias).

    x [batch, n] -> y [batch, n]. Weights: kernel and carry_kernel [n, n], bias and carry_bias [n], the latter ones at
    first. Srivastava, Greff, Schmidhuber, "Highway networks", 2015. Raises ShapeError for other ranks.
    """

    @legacy(**WEIGHTS)
    def __init__(
        self,
        kernel_initializer: Any = "glorot_uniform",
        activation: Any = None,
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        use_bias: bool = True,
        bias_initializer: Any = "zeros",
        **kwargs: Any,
    ) -> None:
        super().__init__(
            activation=activation,
            use_bias=use_bias,
            kernel_initializer=kernel_initializer,
            bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer,
            bias_regularizer=bias_regularizer,
            activity_regularizer=activity_regularizer,
            kernel_constraint=kernel_constraint,
            bias_constraint=bias_constraint,
            **kwargs,
        )
        self.input_spec = InputSpec(ndim=2)

    def build(self, input_shape: Any) -> None:
        size = input_shape[-1]
        self.kernel = self.make("kernel", (size, size))
        self.carry_kernel = self.add_weight("carry_kernel", (size, size), initializer=self.kernel_initializer)
        self.make_bias(size)
        self.carry_bias = (
            self.add_weight("carry_bias", (size,), initializer="ones") if self.use_bias else None
        )
        self.input_spec = InputSpec(ndim=2, axes={-1: size})
        self.built = True

    def call(self, inputs: Tensor) -> Tensor:
        x = Tensor(self.in_dtype(inputs.value))
        carry = K.dot(x, self.carry_kernel)
        through = K.sigmoid(carry if self.carry_bias is None else carry + self.carry_bias)
        new = self.activation(Tensor(self.with_bias(matmul(x.value, self.kernel.value))))
        return through * new + (1 - through) * x


class MaxoutDense(Kernel):
    """y = activation(max over f of (x @ kernel[f] + bias[f])).   x [batch, n] -> y [batch, units].

    Weights: kernel [nb_feature, n, units], bias [nb_feature, units]. Goodfellow et al., "Maxout networks", 2013.
    Raises ShapeError for other ranks.
    """

    @legacy(units="output_dim", **WEIGHTS)
    def __init__(
        self,
        units: int,
        nb_feature: int = 4,
        kernel_initializer: Any = "glorot_uniform",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        use_bias: bool = True,
        bias_initializer: Any = "zeros",
        activation: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            activation=activation,
            use_bias=use_bias,
            kernel_initializer=kernel_initializer,
            bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer,
            bias_regularizer=bias_regularizer,
            activity_regularizer=activity_regularizer,
            kernel_constraint=kernel_constraint,
            bias_constraint=bias_constraint,
            **kwargs,
        )
        self.units = positive_int(units, "units")
        self.nb_feature = positive_int(nb_feature, "nb_feature")
        self.input_spec = InputSpec(ndim=2)

    def build(self, input_shape: Any) -> None:
        size = input_shape[-1]
        self.kernel = self.make("kernel", (self.nb_feature, size, self.units))
        if self.use_bias:
            self.bias = self.make("bias", (self.nb_feature, self.units))
        self.input_spec = InputSpec(ndim=2, axes={-1: size})
        self.built = True

    def call(self, inputs: Tensor) -> Tensor:
        # One matrix product for all features.
        x = self.in_dtype(inputs.value)
        features, size, units = self.kernel.shape
        columns = reshape(transpose(self.kernel.value, (1, 0, 2)), (size, features * units))
        y = Tensor(reshape(matmul(x, columns), (x.shape[0], features, units)))
        return self.activation(K.max(y if self.bias is None else y + self.bias, axis=1))
