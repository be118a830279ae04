"""Models as estimators of scikit-learn: for pipelines, cross-validation and searches of parameters.

Needs scikit-learn, the extra `kgraph[sklearn]`: importing this module without it is a `LibraryError` (an ImportError).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any

import numpy as np

from kgraph.errors import ArgumentError, DataError, NotBuiltError, describe, optional_library
from kgraph.ir.types import Array
from kgraph.keras.models import Sequential
from kgraph.keras.utils.np_utils import to_categorical
from kgraph.keras.utils.serialization import has_arg

with optional_library("keras.wrappers.scikit_learn needs scikit-learn", "sklearn"):
    from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin

OLDER = "nb_epoch"
"""What Keras 1 called the epochs of `fit`."""


class BaseWrapper(BaseEstimator):
    """What classifier and regressor share: a function that makes a compiled model, and parameters.

    build_fn   a function, method or object with `__call__` that returns a compiled model; None in a subclass that has
               a method `__call__`
    sk_params  arguments of `build_fn` and of the model's `fit`, `predict` and `evaluate`, each passed to those that
               take it

    Each `fit` makes a new model, the attribute `model`. Raises ArgumentError for parameters that nobody takes.
    """

    def __init__(self, build_fn: Callable[..., Any] | None = None, **sk_params: Any) -> None:
        self.build_fn = build_fn
        self.sk_params = sk_params
        self.check_params(sk_params)

    @property
    def _builder(self) -> Callable[..., Any]:
        builder = self if self.build_fn is None else self.build_fn
        if not callable(builder):
            raise ArgumentError(
                describe(
                    f"{type(self).__name__} cannot make a model",
                    expected="build_fn, a callable, or a subclass with a method __call__",
                    got=repr(self.build_fn),
                )
            )
        return builder

    def check_params(self, params: Mapping[str, Any]) -> None:
        """Raise ArgumentError for a name that is no argument of `build_fn`, nor of the model's methods."""
        takers = [self._builder, Sequential.fit, Sequential.predict, Sequential.evaluate]
        for name in params:
            if name != OLDER and not any(has_arg(taker, name) for taker in takers):
                known = sorted({name for taker in takers for name in inspect.signature(taker).parameters})
                raise ArgumentError(
                    describe(
                        f"{name} is no parameter of {type(self).__name__}",
                        expected=", ".join(n for n in known if n not in ("self", "kwargs", "x", "y")),
                        got=name,
                    )
                )

    def get_params(self, deep: bool = True, **params: Any) -> dict[str, Any]:
        """`build_fn` and the other parameters by name, the objects themselves: `sklearn.clone` compares them."""
        return {**self.sk_params, "build_fn": self.build_fn}

    def set_params(self, **params: Any) -> Any:
        """Change parameters, `build_fn` among them; returns the estimator."""
        rest = dict(params)
        before = self.build_fn
        self.build_fn = rest.pop("build_fn", before)
        try:
            self.check_params(rest)
        except ArgumentError:
            self.build_fn = before
            raise
        self.sk_params.update(rest)
        return self

    def filter_sk_params(
        self, fn: Callable[..., Any], override: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Those parameters that `fn` takes, and all of `override`, which wins."""
        return {name: value for name, value in self.sk_params.items() if has_arg(fn, name)} | dict(
            override or {}
        )

    def fit(self, x: Any, y: Any, **kwargs: Any) -> Any:
        """Make a model and train it; returns its History. `kwargs` of the model's `fit` win over the parameters.

        Classes as numbers become one-hot rows where the loss is the categorical cross-entropy.
        """
        self.model = self._builder(**self.filter_sk_params(self._builder))
        # Callbacks keep what they have seen: those among the parameters are for every fit, so none gets them itself.
        given = {**deepcopy(self.filter_sk_params(Sequential.fit)), **kwargs}
        if OLDER in self.sk_params:
            given.setdefault(OLDER, self.sk_params[OLDER])
        return self.model.fit(x, self._targets(y), **given)

    def _targets(self, y: Any) -> Any:
        if np.ndim(y) != 2 and _loss_name(self.model.loss) == "categorical_crossentropy":
            return to_categorical(y, getattr(self, "n_classes_", None))
        return y

    def _predicted(self, x: Any, kwargs: Mapping[str, Any]) -> Array:
        found = self._fitted().predict(x, **self.filter_sk_params(Sequential.predict, kwargs))
        return np.asarray(found)

    def _fitted(self) -> Any:
        if not self.__sklearn_is_fitted__():
            raise NotBuiltError(
                describe(f"this {type(self).__name__} has no model yet", expected="fit first")
            )
        return self.model

    def _evaluated(self, x: Any, y: Any, kwargs: Mapping[str, Any]) -> dict[str, float]:
        """Loss and metrics by name."""
        model = self._fitted()
        given = self.filter_sk_params(Sequential.evaluate, kwargs)
        return dict(model.evaluate(x, self._targets(y), **{**given, "return_dict": True}))

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "model")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.non_deterministic = True  # weights are random at first, unless `set_random_seed` says how
        tags.input_tags.three_d_array = True
        return tags


class KerasClassifier(ClassifierMixin, BaseWrapper):
    """A classifier of scikit-learn around a model. The arguments are those of `BaseWrapper`.

    Attributes after `fit`: `model`; `classes_`, the classes in order; `n_classes_`, how many they are.
    """

    def fit(self, x: Any, y: Any, sample_weight: Any = None, **kwargs: Any) -> Any:
        """Make a model and train it; returns its History.

        y  [n] or [n, 1], any labels that can be sorted; or [n, classes], a one for the class of each sample

        Raises DataError for a `y` of another shape.
        """
        y = np.asarray(y)
        if y.ndim == 2 and y.shape[1] > 1:
            self.classes_ = np.arange(y.shape[1])
        elif y.ndim == 1 or (y.ndim == 2 and y.shape[1] == 1):
            self.classes_ = np.unique(y)
            y = np.searchsorted(self.classes_, y)
        else:
            raise DataError(describe("bad y", expected="shape [n], [n, 1] or [n, classes]", got=y.shape))
        self.n_classes_ = len(self.classes_)
        if sample_weight is not None:
            kwargs["sample_weight"] = sample_weight
        return super().fit(x, y, **kwargs)

    def predict(self, x: Any, **kwargs: Any) -> Array:
        """The class of each sample: [n], or that of each position where the model has more axes."""
        found = self._predicted(x, kwargs)
        classes = found.argmax(-1) if found.shape[-1] > 1 else (found[..., 0] > 0.5).astype(int)
        return self.classes_[classes]

    def predict_proba(self, x: Any, **kwargs: Any) -> Array:
        """The probability of each class [n, classes]; a model with one output gives that of the second class."""
        found = self._predicted(x, kwargs)
        return np.concatenate([1 - found, found], -1) if found.shape[-1] == 1 else found

    def score(self, x: Any, y: Any, **kwargs: Any) -> float:
        """The accuracy.

        Raises ArgumentError unless the model was compiled with metrics=["accuracy"], DataError for a class that `fit`
        has not seen.
        """
        found = self._evaluated(x, self._numbers(np.asarray(y)), kwargs)
        for name in ("accuracy", "acc"):
            if name in found:
                return float(found[name])
        raise ArgumentError(
            describe(
                "the model does not compute accuracy", expected='metrics=["accuracy"]', got=", ".join(found)
            )
        )

    def _numbers(self, y: Array) -> Array:
        if y.ndim == 2 and y.shape[1] > 1:
            return y
        strange = np.setdiff1d(y, self.classes_)
        if strange.size:
            raise DataError(
                describe("a class that fit has not seen", expected=self.classes_.tolist(), got=strange[0])
            )
        return np.searchsorted(self.classes_, y)


class KerasRegressor(RegressorMixin, BaseWrapper):
    """A regressor of scikit-learn around a model. The arguments are those of `BaseWrapper`."""

    def predict(self, x: Any, **kwargs: Any) -> Array:
        """The outputs [n], or [n, outputs] of a model with several."""
        found = self._predicted(x, kwargs)
        return found[..., 0] if found.shape[-1] == 1 else found

    def score(self, x: Any, y: Any, **kwargs: Any) -> float:
        """The negative loss, so that more is better."""
        return -float(self._evaluated(x, y, kwargs)["loss"])


def _loss_name(loss: Any) -> str:
    """The name of a loss, however it was given to `compile`."""
    name = loss if isinstance(loss, str) else getattr(loss, "__name__", None) or getattr(loss, "name", "")
    return "categorical_crossentropy" if name == "CategoricalCrossentropy" else str(name)
