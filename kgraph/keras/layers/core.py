"""Dense, and the layers that reshape, repeat, mask, drop or wrap a function."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from kgraph.errors import ArgumentError, ShapeError, describe
from kgraph.ir.dims import Dim, product
from kgraph.keras import activations, regularizers
from kgraph.keras import backend as K
from kgraph.keras.layers.arguments import positive_int
from kgraph.keras.layers.base import Layer
from kgraph.keras.layers.config import parameters_of
from kgraph.keras.layers.nodes import InputSpec, flatten
from kgraph.keras.layers.noise import Dropout, SpatialDropout1D, SpatialDropout2D, SpatialDropout3D
from kgraph.keras.layers.parameters import Kernel
from kgraph.keras.legacy import WEIGHTS, legacy
from kgraph.keras.tensor import Tensor
from kgraph.keras.utils.serialization import deserialize_keras_object
from kgraph.ops.broadcast import broadcast_to, reshape
from kgraph.ops.linalg import matmul
from kgraph.ops.logic import Not, cast, equal, where
from kgraph.ops.reduce import reduce_max
from kgraph.ops.shape import expand_dims, transpose

__all__ = [
    "Activation",
    "ActivityRegularization",
    "Dense",
    "Dropout",
    "Flatten",
    "Identity",
    "Lambda",
    "Masking",
    "Permute",
    "RepeatVector",
    "Reshape",
    "SpatialDropout1D",
    "SpatialDropout2D",
    "SpatialDropout3D",
]


class Dense(Kernel):
    """y = activation(x @ kernel + bias).   x [*S, n] -> y [*S, units].

    Weights: kernel [n, units], bias [units]. Raises ShapeError for inputs of rank below 2 or unknown n.
    """

    supports_masking = True

    @legacy(units="output_dim", **WEIGHTS)
    def __init__(
        self,
        units: int,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
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
        self.input_spec = InputSpec(min_ndim=2)

    def build(self, input_shape: Any) -> None:
        self.kernel = self.make("kernel", (input_shape[-1], self.units))
        self.make_bias(self.units)
        self.input_spec = InputSpec(min_ndim=2, axes={-1: input_shape[-1]})
        self.built = True

    def call(self, inputs: Tensor) -> Tensor:
        # One matrix product over all rows: its gradient is one matrix product as well.
        x = self.in_dtype(inputs.value)
        rows = reshape(x, (product(x.shape[:-1]), x.shape[-1]))
        y = self.with_bias(matmul(rows, self.kernel.value))
        return self.activation(Tensor(reshape(y, (*x.shape[:-1], self.units))))


class Identity(Layer):
    """y = x, for a tensor or any nesting of tensors."""

    supports_masking = True


class Activation(Layer):
    """y = activation(x), for the name of an activation or a function of one tensor."""

    supports_masking = True

    def __init__(self, activation: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.activation = activations.get(activation)

    def call(self, inputs: Tensor) -> Tensor:
        return self.activation(inputs)


class Flatten(Layer):
    """All axes but the first as one.   x [batch, *S] -> y [batch, product(S)].

    With `data_format="channels_first"` the channels are moved to the end first, so that both formats give one order.
    """

    def __init__(self, data_format: Any = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.data_format = K.normalize_data_format(data_format)
        self.input_spec = InputSpec(min_ndim=1)

    def call(self, inputs: Tensor) -> Tensor:
        x = inputs.value
        if self.data_format == "channels_first" and x.rank > 2:
            x = transpose(x, (0, *range(2, x.rank), 1))
        return Tensor(reshape(x, (x.shape[0], product(x.shape[1:]))))


class Reshape(Layer):
    """x [batch, *S] -> y [batch, *target_shape]; one -1 stands for what is left.

    Raises ShapeError when the number of elements differs.
    """

    def __init__(self, target_shape: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.target_shape = (target_shape,) if isinstance(target_shape, int) else tuple(target_shape)

    def call(self, inputs: Tensor) -> Tensor:
        x = inputs.value
        target: list[Dim] = list(self.target_shape)
        sizes, total = [d for d in target if d != -1], product(x.shape[1:])
        fits = not isinstance(total, int) or (
            total == product(sizes) if -1 not in target else product(sizes) and total % product(sizes) == 0
        )
        if not fits or target.count(-1) > 1 or any(d is None for d in target):
            raise ShapeError(
                describe(
                    f"layer {self.name} cannot reshape",
                    expected=f"{total} elements, at most one -1",
                    got=self.target_shape,
                    where=self.name,
                )
            )
        return Tensor(reshape(x, (x.shape[0], *target)))


class Permute(Layer):
    """Axes in another order: y.shape[i] = x.shape[dims[i - 1]] for i from 1; the batch stays in front.

    Raises ArgumentError unless `dims` is a permutation of 1, 2, ….
    """

    def __init__(self, dims: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dims = tuple(dims)
        if sorted(self.dims) != list(range(1, len(self.dims) + 1)):
            raise ArgumentError(
                describe(
                    "Permute: not a permutation",
                    expected=f"1 to {len(self.dims)}, each once",
                    got=self.dims,
                    where=self.name,
                )
            )
        self.input_spec = InputSpec(ndim=len(self.dims) + 1)

    def call(self, inputs: Tensor) -> Tensor:
        return Tensor(transpose(inputs.value, (0, *self.dims)))


class RepeatVector(Layer):
    """x [batch, n_features] -> y [batch, n, n_features], each row repeated `n` times."""

    def __init__(self, n: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.n = positive_int(n, "n")
        self.input_spec = InputSpec(ndim=2)

    def call(self, inputs: Tensor) -> Tensor:
        batch, features = inputs.dims
        return Tensor(broadcast_to(expand_dims(inputs.value, 1), (batch, self.n, features)))


class Lambda(Layer):
    """y = function(x, **arguments): any function of tensors written with K.

    `mask` is the mask of the output, or a function (inputs, mask) that makes it; without it masks are refused.
    `output_shape` is checked against the shape that was traced; it needs not be given. The function gets `mask` and
    `training` if it has parameters of these names.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        output_shape: Any = None,
        mask: Any = None,
        arguments: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if not callable(function):
            function = deserialize_keras_object(function, printable_module_name="function of a Lambda layer")
        self.function = function
        self.output_shape_argument = tuple(output_shape) if isinstance(output_shape, list) else output_shape
        self.mask = mask
        self.arguments = dict(arguments or {})
        self.supports_masking = mask is not None

    def call(self, inputs: Any, mask: Any = None, training: Any = None) -> Any:
        arguments = dict(self.arguments)
        accepted = parameters_of(self.function)
        if "mask" in accepted:
            arguments.setdefault("mask", mask)
        if "training" in accepted:
            arguments.setdefault("training", training)
        outputs = self.function(inputs, **arguments)
        self._check_output_shape(inputs, outputs)
        return outputs

    def _check_output_shape(self, inputs: Any, outputs: Any) -> None:
        said = self.output_shape_argument
        if said is None or isinstance(outputs, list | tuple):
            return
        if callable(said):
            shapes = [t.shape for t in flatten(inputs)]
            wanted = tuple(said(shapes[0] if len(shapes) == 1 else shapes))
        else:
            wanted = (outputs.shape[0], *((said,) if isinstance(said, int) else said))
        pairs = zip(wanted, outputs.shape, strict=False)
        if len(wanted) != outputs.ndim or any(a != b for a, b in pairs if None not in (a, b)):
            raise ShapeError(
                describe(
                    f"layer {self.name}: output_shape is not what the function gives",
                    expected=wanted,
                    got=outputs.shape,
                    where=self.name,
                )
            )

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        if callable(self.mask):
            return self.mask(inputs, mask)
        return super().compute_mask(inputs, mask) if self.mask is None else self.mask

    def get_config(self) -> dict[str, Any]:
        """The functions stand in it as they are: how they are written to a file is the file format's affair."""
        return {
            **super().get_config(),
            "function": self.function,
            "output_shape": self.output_shape_argument,
            "mask": self.mask,
            "arguments": self.arguments,
        }


class Masking(Layer):
    """Masks the steps of a sequence whose features all equal `mask_value`, and sets them to zero.

    x [batch, *S, features] -> y of the same shape; mask [batch, *S].
    """

    supports_masking = True

    def __init__(self, mask_value: float = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.mask_value = mask_value
        self.input_spec = InputSpec(min_ndim=2)

    def call(self, inputs: Tensor) -> Tensor:
        x = inputs.value
        return Tensor(where(self._present(x, keepdims=True), x, 0.0))

    def compute_mask(self, inputs: Tensor, mask: Any = None) -> Tensor:
        return Tensor(self._present(inputs.value, keepdims=False))

    def _present(self, x: Any, keepdims: bool) -> Any:
        differs = cast(Not()(equal(x, self.mask_value)), "int32")
        return cast(reduce_max(differs, -1, keepdims), "bool")


class ActivityRegularization(Layer):
    """The identity, with l1 * sum|x| + l2 * sum(x²), over the batch size, added to the loss."""

    supports_masking = True

    def __init__(self, l1: float = 0.0, l2: float = 0.0, **kwargs: Any) -> None:
        super().__init__(activity_regularizer=regularizers.L1L2(l1=l1, l2=l2), **kwargs)
        self.l1 = l1
        self.l2 = l2

    def get_config(self) -> dict[str, Any]:
        config = {**super().get_config(), "l1": self.l1, "l2": self.l2}
        del config["activity_regularizer"]  # which l1 and l2 make
        return config
