"""`Loss`: losses per sample, and how they become one number."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Self

from kgraph.errors import UnsupportedError, describe
from kgraph.ir.graph import scope
from kgraph.keras.losses.reduction import check_reduction, reduce_weighted, same_rank
from kgraph.keras.tensor import Tensor, as_value
from kgraph.keras.utils.naming import to_snake_case
from kgraph.keras.utils.serialization import serialize_keras_object
from kgraph.ops.logic import cast


class Loss:
    """Base of all. A subclass says in `call` what the loss of each sample is.

    reduction  "sum_over_batch_size" (the mean), "sum", "none", "mean_with_sample_weight"
    name       for reports; by default the class name in snake case
    dtype      of the losses; by default that of the predictions
    """

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: str | None = None,
    ) -> None:
        check_reduction(reduction)
        self.reduction = reduction
        self.name = name or to_snake_case(type(self).__name__)
        self.dtype = dtype

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """The losses [batch, *positions]. Raises UnsupportedError until a subclass writes it."""
        raise UnsupportedError(
            describe(f"{type(self).__name__} has no call method", expected="a tensor of losses")
        )

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Tensor:
        """The loss of a batch, as `reduction` says.

        `sample_weight` has one number per sample or per position. What the mask of `y_pred` (or of the losses) leaves
        out counts neither above nor below the fraction line.
        """
        predicted = y_pred if isinstance(y_pred, Tensor) else Tensor(as_value(y_pred))
        wanted = y_true if isinstance(y_true, Tensor) else Tensor(as_value(y_true))
        with scope(self.name):
            losses = self.call(wanted, predicted)
            losses = losses if isinstance(losses, Tensor) else Tensor(as_value(losses))
            masks = [m for m in (predicted._keras_mask, losses._keras_mask) if m is not None]
            mask = None if not masks else masks[0] if len(masks) == 1 else masks[0] & masks[1]
            if self.dtype is not None:
                losses = Tensor(cast(losses.value, self.dtype))
            return reduce_weighted(losses, sample_weight, mask, self.reduction)

    def get_config(self) -> dict[str, Any]:
        return {"reduction": self.reduction, "name": self.name}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        return cls(**config)


class LossFunctionWrapper(Loss):
    """A function of y_true, y_pred and further keyword arguments as a `Loss`."""

    def __init__(
        self,
        fn: Callable[..., Any],
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(reduction, name or getattr(fn, "__name__", None), dtype)
        self.fn = fn
        self._fn_kwargs = kwargs

    def call(self, y_true: Any, y_pred: Any) -> Any:
        return self.fn(*same_rank(y_true, y_pred), **self._fn_kwargs)

    def get_config(self) -> dict[str, Any]:
        config = {**super().get_config(), **self._fn_kwargs}
        if type(self) is LossFunctionWrapper:
            config["fn"] = serialize_keras_object(self.fn)
        return config
