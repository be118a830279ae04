"""EinsumDense: a dense layer over any axes of its input."""

from __future__ import annotations

import re
from collections.abc import Callable
from math import prod
from typing import Any, NoReturn

import numpy as np

from kgraph.errors import ArgumentError, NotBuiltError, ShapeError, describe
from kgraph.ir.dims import product
from kgraph.ir.graph import Value
from kgraph.keras import activations, initializers
from kgraph.keras.layers.nodes import InputSpec
from kgraph.keras.layers.parameters import Parametric
from kgraph.keras.tensor import Tensor
from kgraph.ops.broadcast import reshape
from kgraph.ops.einsum import einsum
from kgraph.ops.elementwise import add
from kgraph.ops.logic import cast

_FORM = re.compile(r"(\.\.\.)?([a-zA-Z]+)(\.\.\.)?,([a-zA-Z]+)->(\.\.\.)?([a-zA-Z]+)(\.\.\.)?")


class EinsumDense(Parametric):
    """y = activation(einsum(equation, x, kernel) + bias).

    The letters of `equation`, "abc,cd->abd", name the axes of x, of the kernel and of y. An ellipsis, first in x and in
    y or last in both, stands for axes that stay as they are: "...c,cd->...d", "ab...,bc->ac...". `output_shape` has the
    sizes of y without the batch (None for those of x), of the axes with letters alone; where a leading ellipsis stands
    for the batch, those of all letters. `bias_axes` are the letters of y that the bias varies along; without them there
    is none.

    Weights: kernel, with the sizes of its letters; bias, from the first of its axes to the last axis of y, 1 elsewhere.
    Raises ArgumentError for an equation of another form, ShapeError where sizes do not fit, NotBuiltError where the
    kernel has a size that is not known. (Vaswani et al., "Attention is all you need", 2017, project in this way.)
    """

    def __init__(
        self,
        equation: str,
        output_shape: Any,
        activation: Any = None,
        bias_axes: str | None = None,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.equation = equation
        self.output_shape_argument = (output_shape,) if isinstance(output_shape, int) else tuple(output_shape)
        self.activation = activations.get(activation)
        self.bias_axes = bias_axes
        self.prescribe("kernel", kernel_initializer, kernel_regularizer, kernel_constraint)
        self.prescribe("bias", bias_initializer, bias_regularizer, bias_constraint)
        found = _FORM.fullmatch(str(equation).replace(" ", ""))
        dots = [bool(found[group]) for group in (1, 3, 5, 7)] if found else []
        if found is None or dots[:2] != dots[2:] or all(dots):
            self._refuse_equation('"ab,bc->ac", "...b,bc->...c" or "ab...,bc->ac..."')
        self._of_x, self._of_kernel, self._of_y = found[2], found[4], found[6]
        self._leading = dots[0]
        if not set(self._of_y) <= {*self._of_x, *self._of_kernel}:
            self._refuse_equation("letters of the result that an operand has")
        if not set(self._of_kernel) <= {*self._of_x, *self._of_y}:
            self._refuse_equation("letters of the kernel that the input or the result has")
        if not set(bias_axes or "") <= set(self._of_y):
            self._refuse_equation(f"bias_axes {bias_axes!r} among the letters of the result")

    def build(self, input_shape: Any) -> None:
        elided = len(input_shape) - len(self._of_x)
        sizes = self._sizes(input_shape, elided)
        kernel_shape = tuple(sizes[name] for name in self._of_kernel)
        if None in kernel_shape:
            raise NotBuiltError(
                describe(
                    f"layer {self.name}: the kernel has no definite shape",
                    expected="integers",
                    got=dict(zip(self._of_kernel, kernel_shape, strict=True)),
                    where=self.name,
                )
            )
        outputs = prod(sizes[name] for name in self._of_kernel if name in self._of_y)
        as_matrix = _as_matrix(self.kernel_initializer, prod(kernel_shape) // max(outputs, 1), outputs)
        self.kernel = self.make("kernel", kernel_shape, initializer=as_matrix)
        self.bias = None
        if self.bias_axes is not None:
            first = min((self._of_y.index(name) for name in self.bias_axes), default=len(self._of_y))
            shape = [sizes[name] if name in self.bias_axes else 1 for name in self._of_y[first:]]
            self.bias = self.make("bias", (*shape, *[1] * (0 if self._leading else elided)))
        self.input_spec = InputSpec(ndim=len(input_shape))
        self.built = True

    def call(self, inputs: Tensor) -> Tensor:
        y = einsum(self.equation, cast(inputs.value, self.compute_dtype), self.kernel.value)
        return self.activation(Tensor(self._with_bias(y)))

    def _with_bias(self, y: Value) -> Value:
        if self.bias is None:
            return y
        bias = self.bias.value
        made = y.shape[y.rank - bias.rank :]
        if bias.shape != made or set(self._of_y[-bias.rank :]) & set(self._of_x):
            return add(y, bias)
        # What the kernel makes are the columns of one product of matrices, which takes a bias with it.
        columns = product(made)
        rows = reshape(y, (product(y.shape[: y.rank - bias.rank]), columns))
        return reshape(add(rows, reshape(bias, (columns,))), y.shape)

    def _sizes(self, input_shape: Any, elided: int) -> dict[str, int | None]:
        """The size of each letter. Raises ShapeError where input, equation and output_shape do not fit each other."""
        of_x = input_shape[elided:] if self._leading else input_shape[: len(self._of_x)]
        sizes: dict[str, int | None] = dict(zip(self._of_x, of_x, strict=False))
        # The batch comes first in y. It has a letter unless the ellipsis stands for it.
        named = self._of_y if self._leading and elided else self._of_y[1:]
        said = self.output_shape_argument
        has_dots = "..." in self.equation
        if elided < 0 or (elided and not has_dots) or len(said) != len(named):
            self._refuse_shape(f"{len(named)} sizes in output_shape", said, input_shape)
        for name, size in zip(named, said, strict=True):
            known = sizes.get(name)
            sizes[name] = size if known is None else known
            if None not in (known, size) and known != size:
                self._refuse_shape(f"size {known} for {name!r} in output_shape", said, input_shape)
        return sizes

    def _refuse_equation(self, expected: str) -> NoReturn:
        raise ArgumentError(
            describe("EinsumDense: bad equation", expected=expected, got=self.equation, where=self.name)
        )

    def _refuse_shape(self, expected: str, said: Any, input_shape: Any) -> NoReturn:
        got = f"output_shape {said} for an input of shape {tuple(input_shape)}"
        raise ShapeError(
            describe(f"layer {self.name}: {self.equation}", expected=expected, got=got, where=self.name)
        )


def _as_matrix(initializer: Callable[..., Any], inputs: int, outputs: int) -> Callable[..., Any]:
    """An initialiser whose scale depends on the shape, told how many inputs and outputs there are."""
    if isinstance(initializer, initializers.VarianceScaling):
        return lambda shape: np.reshape(initializer((inputs, outputs)), shape)
    return initializer
