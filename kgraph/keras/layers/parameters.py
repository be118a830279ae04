"""What layers with weights share: keeping the arguments that say how a weight is made, and making it."""

from __future__ import annotations

from typing import Any

from kgraph.ir.graph import Value
from kgraph.keras import activations, constraints, initializers, regularizers
from kgraph.keras.layers.base import Layer
from kgraph.keras.tensor import Variable
from kgraph.ops.broadcast import reshape
from kgraph.ops.elementwise import add
from kgraph.ops.logic import cast


class Parametric(Layer):
    """A layer whose weights have arguments: `kernel_initializer`, `kernel_regularizer`, `kernel_constraint`."""

    def prescribe(self, stem: str, initializer: Any, regularizer: Any = None, constraint: Any = None) -> None:
        """Keep the three arguments as `<stem>_initializer`, `<stem>_regularizer` and `<stem>_constraint`."""
        setattr(self, f"{stem}_initializer", initializers.get(initializer))
        setattr(self, f"{stem}_regularizer", regularizers.get(regularizer))
        setattr(self, f"{stem}_constraint", constraints.get(constraint))

    def make(
        self,
        name: str,
        shape: Any,
        stem: str | None = None,
        trainable: bool = True,
        initializer: Any = None,
    ) -> Variable:
        """Create the weight `name`, as the arguments kept under `stem` (by default its name) say.

        `initializer` is what the one that is kept has been made into, if it is not to be used as it is.
        """
        prefix = stem or name
        return self.add_weight(
            name,
            shape,
            initializer=initializer or getattr(self, f"{prefix}_initializer"),
            regularizer=getattr(self, f"{prefix}_regularizer"),
            constraint=getattr(self, f"{prefix}_constraint"),
            trainable=trainable,
        )


class Biased(Parametric):
    """A layer with a bias and an activation. Everything is given by name, as the subclasses have it."""

    def __init__(
        self,
        *,
        activation: Any,
        use_bias: bool,
        bias_initializer: Any,
        bias_regularizer: Any,
        bias_constraint: Any,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.activation = activations.get(activation)
        self.use_bias = bool(use_bias)
        self.prescribe("bias", bias_initializer, bias_regularizer, bias_constraint)
        self.bias: Variable | None = None

    def in_dtype(self, x: Value) -> Value:
        """`x` in the dtype that the layer computes in: images may come as bytes, tables as integers."""
        return cast(x, self.compute_dtype)

    def make_bias(self, *shape: int) -> None:
        """Create the weight `bias`, if there is to be one."""
        if self.use_bias:
            self.bias = self.make("bias", shape)

    def with_bias(self, product: Value, axis: int = -1) -> Value:
        """`product` with the bias added along `axis`."""
        if self.bias is None:
            return product
        shape = [1] * product.rank
        shape[axis] = self.bias.shape[0]
        return add(product, self.bias.value if axis == -1 else reshape(self.bias.value, shape))


class Kernel(Biased):
    """A layer with a kernel, a bias and an activation."""

    def __init__(
        self, *, kernel_initializer: Any, kernel_regularizer: Any, kernel_constraint: Any, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.prescribe("kernel", kernel_initializer, kernel_regularizer, kernel_constraint)
