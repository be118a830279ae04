"""`Metric`: state that batches add to, and a number read from it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import wraps
from typing import Any, Self

import numpy as np

from kgraph.errors import UnsupportedError, describe
from kgraph.keras import initializers, settings
from kgraph.keras.tensor import Tensor, Variable
from kgraph.keras.utils.naming import to_snake_case


class Metric:
    """Base of all metrics. A subclass makes its state with `add_weight`, changes it in `update_state` and reads it in
    `result`.

    In `update_state` the state changes by `variable.assign_add(…)`, as in Keras 3, or by returning updates of
    `K.update_add(…)`, as in Keras 2. Within a traced function both become part of the graph. Outside, with arrays, they
    happen at once.
    """

    def __init__(self, name: str | None = None, dtype: str | None = None) -> None:
        self.name = name or to_snake_case(type(self).__name__)
        self.dtype = dtype or settings.floatx()
        self._weights: list[Variable] = []

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "update_state" in vars(cls):
            cls.update_state = _applying(cls.update_state)  # type: ignore[method-assign]  # the same, and more
        if "result" in vars(cls):
            cls.result = _reading(cls.result)  # type: ignore[method-assign]  # the same, and more

    def add_weight(
        self,
        name: Any = None,
        shape: Any = (),
        initializer: Any = "zeros",
        dtype: str | None = None,
        **kwargs: Any,
    ) -> Variable:
        """A variable of the metric. Keras 3's order, `add_weight(shape, initializer, …)`, is understood too."""
        if name is not None and not isinstance(name, str):
            name, shape, initializer = kwargs.get("weight_name"), name, shape or initializer
        value = initializers.get(initializer or "zeros")(tuple(shape), dtype=dtype or self.dtype)
        variable = Variable(
            np.asarray(value), name=f"{self.name}/{name or 'state'}", trainable=False, role="metric"
        )
        self._weights.append(variable)
        return variable

    def add_variable(
        self,
        shape: Any,
        initializer: Any = "zeros",
        dtype: str | None = None,
        name: str | None = None,
        **_: Any,
    ) -> Variable:
        """A variable of the metric, in Keras 3's order of arguments."""
        return self.add_weight(name, shape, initializer, dtype)

    def add_update(self, updates: Any) -> None:
        """Take updates as `K.update_add` returns them, one or several."""
        for variable, value in _pairs(updates):
            variable.assign(value)

    @property
    def weights(self) -> list[Variable]:
        """The state: of the metric, and of metrics in its attributes."""
        inner = [v for item in vars(self).values() for m in _metrics_in(item) for v in m.weights]
        return list(dict.fromkeys([*self._weights, *inner]))

    @property
    def variables(self) -> list[Variable]:
        return self.weights

    def update_state(self, *args: Any, **kwargs: Any) -> Any:
        """Take in a batch: `y_true`, `y_pred` and `sample_weight`, or values."""
        raise UnsupportedError(
            describe(f"{type(self).__name__} has no update_state", expected="a method of that name")
        )

    def result(self) -> Any:
        """What the state amounts to: a tensor, or a dict of several."""
        raise UnsupportedError(
            describe(f"{type(self).__name__} has no result", expected="a method of that name")
        )

    def reset_states(self) -> None:
        """Put all state to zero."""
        for variable in self.weights:
            variable.assign(np.zeros(variable.shape, variable.dtype))

    def reset_state(self) -> None:
        """The name of `reset_states` in Keras 3."""
        self.reset_states()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """`update_state`, then `result`."""
        self.update_state(*args, **kwargs)
        return self.result()

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name, "dtype": self.dtype}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        return cls(**config)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}>"


def _applying(update_state: Callable[..., Any]) -> Callable[..., None]:
    """An `update_state` that makes the updates that it returns."""

    @wraps(update_state)
    def applied(self: Metric, *args: Any, **kwargs: Any) -> None:
        self.add_update(update_state(self, *args, **kwargs))

    return applied


def _reading(result: Callable[..., Any]) -> Callable[..., Any]:
    """A `result` that gives the values that variables have now rather than the variables."""

    @wraps(result)
    def read(self: Metric, *args: Any, **kwargs: Any) -> Any:
        made = result(self, *args, **kwargs)
        if isinstance(made, dict):
            return {key: _now(value) for key, value in made.items()}
        return _now(made)

    return read


def _now(value: Any) -> Any:
    return Tensor(value.value) if isinstance(value, Variable) else value


def _pairs(updates: Any) -> Iterator[tuple[Variable, Any]]:
    if isinstance(updates, tuple) and len(updates) == 2 and isinstance(updates[0], Variable):
        yield updates
    elif isinstance(updates, list | tuple):
        for update in updates:
            yield from _pairs(update)


def _metrics_in(item: Any) -> Iterator[Metric]:
    if isinstance(item, Metric):
        yield item
    elif isinstance(item, list | tuple):
        for entry in item:
            yield from _metrics_in(entry)
    elif isinstance(item, dict):
        yield from _metrics_in(list(item.values()))
