"""The weights of a layer: creating them, listing them, reading and writing their values."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from math import prod
from typing import Any

import numpy as np

from kgraph.errors import DataError, FileError, NotBuiltError, describe
from kgraph.ir.graph import scope
from kgraph.keras import dtype_policies, initializers, settings
from kgraph.keras.dtype_policies import DTypePolicy
from kgraph.keras.layers.config import parameters_of
from kgraph.keras.tensor import Tensor, Variable

# How many bytes weights may still have that a file will fill; None where initialisers make them.
_ROOM: ContextVar[list[float] | None] = ContextVar("room", default=None)


@contextmanager
def without_initialisers(room: float = float("inf")) -> Iterator[None]:
    """Inside the block weights are made of zeros: for models whose values are about to be read from a file.

    `room` is how many bytes of weights the file may hold. Making more raises FileError.
    """
    token = _ROOM.set([room])
    try:
        yield
    finally:
        _ROOM.reset(token)


class Weighted:
    """What has weights, of its own and of the layers inside of it."""

    name: str
    built: bool
    _trainable: bool
    _dtype_policy: DTypePolicy | None
    _trainable_weights: list[Variable]
    _non_trainable_weights: list[Variable]

    def _sublayers(self) -> list[Any]:
        """The layers inside of this one."""
        return []

    def _flatten_layers(self) -> Iterator[Any]:
        """This layer and all inside of it."""
        pending: list[Any] = [self]
        while pending:
            one = pending.pop()
            yield one
            pending += one._sublayers()

    def add_weight(
        self,
        name: Any = None,
        shape: Any = None,
        dtype: str | None = None,
        initializer: Any = None,
        regularizer: Any = None,
        trainable: bool = True,
        constraint: Any = None,
        autocast: bool = True,
        **kwargs: Any,
    ) -> Variable:
        """Create a variable of the layer. Keras 3's order, `add_weight(shape, initializer, …)`, is understood too.

        Raises NotBuiltError when the shape has a size that is not known.
        """
        from_shape_first = name is not None and not isinstance(name, str)
        if from_shape_first:
            name, shape, initializer = (kwargs.pop("weight_name", None), name, shape or initializer)
        size = (shape,) if isinstance(shape, int) else tuple(shape or ())
        if any(not isinstance(d, int | np.integer) for d in size):
            raise NotBuiltError(
                describe(
                    f"weight {name!r} has no definite shape", expected="integers", got=size, where=self.name
                )
            )
        kind = dtype or self.variable_dtype
        make = initializer_for(initializer, kind)
        with scope(self.name):
            variable = Variable(
                _initial(make, size, kind),
                dtype=kind,
                name=f"{self.name}/{name or 'weight'}",
                trainable=trainable,
                constraint=constraint,
                regularizer=regularizer,
                autocast=autocast,
            )
        (self._trainable_weights if trainable else self._non_trainable_weights).append(variable)
        return variable

    @property
    def trainable(self) -> bool:
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        self._trainable = bool(value)
        for layer in self._sublayers():
            layer.trainable = value

    @property
    def dtype_policy(self) -> DTypePolicy:
        """What the layer computes in and keeps its weights in: floatx, unless one was given or set."""
        return self._dtype_policy or DTypePolicy(settings.floatx())

    @dtype_policy.setter
    def dtype_policy(self, policy: Any) -> None:
        self._dtype_policy = dtype_policies.get(policy)

    @property
    def variable_dtype(self) -> str:
        """The dtype of the weights."""
        return self.dtype_policy.variable_dtype

    @property
    def compute_dtype(self) -> str:
        """The dtype of what the layer computes."""
        return self.dtype_policy.compute_dtype

    @property
    def dtype(self) -> str:
        """The dtype of the weights."""
        return self.variable_dtype

    @property
    def expected_dtype(self) -> str:
        """The dtype of an input that is made for the layer."""
        plain = self._dtype_policy is not None and self.compute_dtype == self.variable_dtype
        return self.compute_dtype if plain else getattr(self, "input_dtype", self.compute_dtype)

    @property
    def trainable_weights(self) -> list[Variable]:
        if not self._trainable:
            return []
        return _unique(
            [*self._trainable_weights, *(w for layer in self._sublayers() for w in layer.trainable_weights)]
        )

    @trainable_weights.setter
    def trainable_weights(self, weights: Sequence[Variable]) -> None:
        self._trainable_weights = list(weights)

    @property
    def non_trainable_weights(self) -> list[Variable]:
        inner = self._sublayers()
        if self._trainable:
            return _unique(
                [*self._non_trainable_weights, *(w for layer in inner for w in layer.non_trainable_weights)]
            )
        return _unique(
            [
                *self._trainable_weights,
                *self._non_trainable_weights,
                *(w for layer in inner for w in layer.weights),
            ]
        )

    @non_trainable_weights.setter
    def non_trainable_weights(self, weights: Sequence[Variable]) -> None:
        self._non_trainable_weights = list(weights)

    @property
    def weights(self) -> list[Variable]:
        """All weights, layer by layer; of one layer those made trainable first. Freezing does not change the order."""
        inner = (weight for layer in self._sublayers() for weight in layer.weights)
        return _unique([*self._trainable_weights, *self._non_trainable_weights, *inner])

    @property
    def variables(self) -> list[Variable]:
        return self.weights

    @property
    def trainable_variables(self) -> list[Variable]:
        return self.trainable_weights

    @property
    def non_trainable_variables(self) -> list[Variable]:
        return self.non_trainable_weights

    def get_weights(self) -> list[np.ndarray[Any, Any]]:
        """The values of `weights`, copied."""
        return [weight.numpy() for weight in self.weights]

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Replace the values of `weights`.

        Raises DataError when their number or a shape differs; nothing is changed then.
        """
        mine = self.weights
        if len(weights) != len(mine):
            raise DataError(
                describe(f"{self.name}: wrong number of weights", expected=len(mine), got=len(weights))
            )
        for variable, array in zip(mine, weights, strict=True):
            if tuple(np.shape(array)) != variable.shape:
                raise DataError(
                    describe(
                        f"{variable.name}: wrong shape", expected=variable.shape, got=tuple(np.shape(array))
                    )
                )
        for variable, array in zip(mine, weights, strict=True):
            variable.variable.storage.write(array)

    @property
    def own_weights(self) -> list[Variable]:
        """The weights that are not those of layers inside: made trainable first."""
        return [*self._trainable_weights, *self._non_trainable_weights]

    def save_own_variables(self, store: MutableMapping[str, Any]) -> None:
        """Put what a file of Keras 3 shall hold for this layer alone into `store`, by name: "0", "1" and so on.

        A subclass with more to keep, or less, writes its own, and `load_own_variables` to go with it.
        """
        store.update({str(number): weight.numpy() for number, weight in enumerate(self.own_weights)})

    def load_own_variables(self, store: Mapping[str, Any]) -> None:
        """Take over what `save_own_variables` has put into `store`. Raises DataError when it does not fit."""
        wanted = {str(number): weight for number, weight in enumerate(self.own_weights)}
        if wanted.keys() != store.keys() or any(np.shape(store[k]) != w.shape for k, w in wanted.items()):
            raise DataError(
                describe(
                    f"{self.name}: the values do not fit",
                    expected={name: weight.shape for name, weight in wanted.items()},
                    got={name: np.shape(store[name]) for name in store},
                )
            )
        for name, weight in wanted.items():
            weight.variable.storage.write(store[name])

    def count_params(self) -> int:
        """How many numbers the weights hold. Raises NotBuiltError before the layer is built."""
        if not self.built:
            raise NotBuiltError(
                describe(
                    f"layer {self.name} has no weights yet",
                    expected="a built layer: call it on an input first",
                )
            )
        return sum(int(np.prod(weight.shape)) for weight in self.weights)


def initializer_for(initializer: Any, dtype: str) -> Callable[..., Any]:
    """The initialiser for an identifier; without one glorot_uniform for floats and zeros otherwise, as in Keras."""
    if initializer is None:
        initializer = "glorot_uniform" if dtype.startswith(("float", "bfloat")) else "zeros"
    return initializers.get(initializer)


def _initial(make: Callable[..., Any], shape: tuple[int, ...], dtype: str) -> Any:
    room = _ROOM.get()
    if room is not None:
        room[0] -= prod(shape) * np.dtype(dtype).itemsize
        if room[0] < 0:
            raise FileError(
                describe(
                    "the file describes a larger model than it can hold", got=f"a weight of shape {shape}"
                )
            )
        return np.broadcast_to(np.zeros((), dtype), shape)  # no memory before it is written
    value = (
        make(shape, dtype=dtype)
        if "dtype" in parameters_of(make) or parameters_of(make) & {"kwargs"}
        else make(shape)
    )
    return np.asarray(value.numpy() if isinstance(value, Tensor) else value, dtype=dtype)


def _unique(items: Sequence[Any]) -> list[Any]:
    return list(dict.fromkeys(items))
