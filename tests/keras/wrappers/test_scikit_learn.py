"""KerasClassifier and KerasRegressor: the rules of Keras 2.3 for parameters, at home in scikit-learn of today."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.metrics import accuracy_score
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_is_fitted

from kgraph import keras
from kgraph.errors import ArgumentError, DataError, NotBuiltError
from kgraph.keras.layers import Dense
from kgraph.keras.wrappers.scikit_learn import KerasClassifier, KerasRegressor

random = np.random.RandomState(0)
X = random.randn(90, 5).astype("float32")
NUMBERS = (X[:, 0] > 0.4).astype(int) + (X[:, 0] > -0.4)
NAMES = np.array(["high", "low", "middle"])[NUMBERS]
TARGETS = X @ np.array([1.0, -2.0, 0.5, 0.0, 3.0])

FIT = {"epochs": 25, "batch_size": 10, "verbose": 0}


@pytest.fixture(autouse=True)
def _seed() -> None:
    keras.utils.set_random_seed(5)


def classifier(units: int = 16, loss: Any = "sparse_categorical_crossentropy", outputs: int = 3) -> Any:
    last = Dense(outputs, activation="softmax" if outputs > 1 else "sigmoid")
    model = keras.Sequential([Dense(units, activation="tanh", input_shape=(5,)), last])
    model.compile(keras.optimizers.Adam(0.05), loss, metrics=["accuracy"])
    return model


def regressor(units: int = 1, rate: float = 0.1) -> Any:
    model = keras.Sequential([Dense(units, input_shape=(5,))])
    model.compile(keras.optimizers.Adam(rate), "mse")
    return model


class Builder:
    """An object that builds, with a method that does so too."""

    def __call__(self, units: int = 16) -> Any:
        return classifier(units)

    def build(self, units: int = 16) -> Any:
        return classifier(units)


class Own(KerasClassifier):
    """A subclass that builds its model itself."""

    def __call__(self, units: int = 16) -> Any:
        return classifier(units)


MAKERS = {
    "a function": lambda **params: KerasClassifier(classifier, **params),
    "an object": lambda **params: KerasClassifier(Builder(), **params),
    "a method": lambda **params: KerasClassifier(build_fn=Builder().build, **params),
    "a subclass": Own,
}


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_what_can_build(make: Any) -> None:
    estimator = make(units=7, **FIT)
    history = estimator.fit(X, NUMBERS)
    assert len(history.history["loss"]) == 25
    assert estimator.model.layers[0].units == 7
    assert estimator.score(X, NUMBERS) > 0.85
    with pytest.raises(ArgumentError, match="speed is no parameter"):
        make(speed=3)


def test_parameters_reach_those_who_take_them() -> None:
    estimator = KerasClassifier(classifier, units=3, epochs=2, batch_size=30, verbose=0)
    assert estimator.get_params() == {
        "build_fn": classifier,
        "units": 3,
        "epochs": 2,
        "batch_size": 30,
        "verbose": 0,
    }
    assert estimator.filter_sk_params(classifier) == {"units": 3}
    assert estimator.filter_sk_params(keras.Sequential.predict, {"batch_size": 1}) == {
        "batch_size": 1,
        "verbose": 0,
    }
    assert estimator.set_params(epochs=4, units=5) is estimator
    assert len(estimator.fit(X, NUMBERS).epoch) == 4
    assert len(estimator.fit(X, NUMBERS, epochs=1).epoch) == 1
    with pytest.raises(ArgumentError, match="rate"):
        estimator.set_params(build_fn=classifier, rate=1)
    estimator.set_params(build_fn=regressor, rate=1.0)
    assert estimator.build_fn is regressor


def test_the_epochs_of_keras_1() -> None:
    estimator = KerasClassifier(classifier, nb_epoch=3, verbose=0)
    with pytest.warns(DeprecationWarning, match="nb_epoch"):
        assert len(estimator.fit(X, NUMBERS).epoch) == 3


def test_nothing_to_build_with() -> None:
    with pytest.raises(ArgumentError, match="build_fn"):
        KerasClassifier()
    with pytest.raises(NotBuiltError, match="fit first"):
        KerasRegressor(regressor).predict(X)


LOSSES = {
    "sparse": "sparse_categorical_crossentropy",
    "name": "categorical_crossentropy",
    "object": keras.losses.CategoricalCrossentropy(),
    "function": keras.losses.categorical_crossentropy,
}


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
@pytest.mark.parametrize("column", [False, True])
def test_classes_by_name(loss: Any, column: bool) -> None:
    estimator = KerasClassifier(classifier, loss=loss, **FIT)
    y = NAMES[:, None] if column and loss == LOSSES["sparse"] else NAMES
    estimator.fit(X, y)
    assert estimator.classes_.tolist() == ["high", "low", "middle"]
    assert estimator.n_classes_ == 3
    found, probabilities = estimator.predict(X), estimator.predict_proba(X)
    assert found.shape == (90,)
    np.testing.assert_array_equal(found, estimator.classes_[probabilities.argmax(1)])
    np.testing.assert_allclose(probabilities, estimator.model.predict(X), rtol=1e-6)
    assert estimator.score(X, y) == pytest.approx(accuracy_score(NAMES, found), abs=1e-6)
    assert estimator.score(X, y) > 0.85
    with pytest.raises(DataError, match="not seen"):
        estimator.score(X[:1], ["none"])


def test_one_hot_classes() -> None:
    y = np.eye(3)[NUMBERS]
    estimator = KerasClassifier(classifier, loss="categorical_crossentropy", **FIT)
    estimator.fit(X, y)
    assert estimator.classes_.tolist() == [0, 1, 2]
    assert estimator.score(X, y) == pytest.approx((estimator.predict(X) == NUMBERS).mean(), abs=1e-6)


def test_two_classes_and_one_output() -> None:
    y = np.where(X[:, 1] > 0, "yes", "no")
    estimator = KerasClassifier(classifier, outputs=1, loss="binary_crossentropy", **FIT)
    estimator.fit(X, y, sample_weight=np.ones(90))
    probabilities = estimator.predict_proba(X)
    np.testing.assert_allclose(probabilities[:, 1:], estimator.model.predict(X), rtol=1e-6)
    np.testing.assert_allclose(probabilities.sum(1), 1, rtol=1e-6)
    np.testing.assert_array_equal(estimator.predict(X), np.where(probabilities[:, 1] > 0.5, "yes", "no"))
    assert estimator.score(X, y) == pytest.approx((estimator.predict(X) == y).mean(), abs=1e-6)


def test_sample_weights_count() -> None:
    weights = np.where(NUMBERS == 0, 5.0, 0.1)
    estimator = KerasClassifier(classifier, **FIT)
    estimator.fit(X, NUMBERS, weights)
    keras.utils.set_random_seed(5)
    model = classifier()
    model.fit(X, NUMBERS, sample_weight=weights, **FIT)
    np.testing.assert_array_equal(estimator.predict_proba(X), model.predict(X))
    wanted = model.evaluate(X, NUMBERS, sample_weight=weights, verbose=0)[1]
    assert estimator.score(X, NUMBERS, sample_weight=weights) == wanted


def test_what_no_classifier_takes() -> None:
    with pytest.raises(DataError, match="bad y"):
        KerasClassifier(classifier).fit(X, np.zeros((90, 2, 2)))

    def without_accuracy() -> Any:
        model = keras.Sequential([Dense(3, activation="softmax", input_shape=(5,))])
        model.compile("sgd", "sparse_categorical_crossentropy")
        return model

    estimator = KerasClassifier(without_accuracy, verbose=0)
    estimator.fit(X, NUMBERS)
    with pytest.raises(ArgumentError, match="accuracy"):
        estimator.score(X, NUMBERS)


def test_regressor() -> None:
    estimator = KerasRegressor(regressor, **FIT)
    estimator.fit(X, TARGETS)
    found = estimator.predict(X)
    assert found.shape == (90,)
    assert estimator.score(X, TARGETS) == pytest.approx(-np.mean((found - TARGETS) ** 2), rel=1e-5)
    assert estimator.score(X, TARGETS) > -0.5


def test_regressor_with_several_outputs() -> None:
    estimator = KerasRegressor(regressor, units=2, verbose=0)
    estimator.fit(X, np.stack([TARGETS, -TARGETS], 1))
    assert estimator.predict(X).shape == (90, 2)


# -- in scikit-learn


def test_clones_are_equal_and_not_fitted() -> None:
    callbacks = [keras.callbacks.History()]
    estimator = KerasClassifier(classifier, units=3, callbacks=callbacks, **FIT)
    estimator.fit(X, NUMBERS)
    check_is_fitted(estimator)
    again = clone(estimator)
    assert not hasattr(again, "model")
    assert again.get_params().keys() == estimator.get_params().keys()
    assert again.get_params()["callbacks"] is not callbacks
    assert callbacks[0].epoch == []
    assert (again.build_fn, again.sk_params["units"]) == (classifier, 3)
    assert "units=3" in repr(estimator)


def test_what_it_says_of_itself() -> None:
    assert is_classifier(KerasClassifier(classifier))
    assert is_regressor(KerasRegressor(regressor))
    assert not is_classifier(KerasRegressor(regressor))


def test_cross_validation_in_a_pipeline() -> None:
    pipeline = make_pipeline(StandardScaler(), KerasClassifier(classifier, **FIT))
    scores = cross_val_score(pipeline, X * 100 + 7, NAMES, cv=3)
    assert scores.shape == (3,)
    assert scores.min() > 0.6
    assert cross_val_score(KerasClassifier(classifier, **FIT), X, NAMES, cv=3, scoring="accuracy").min() > 0.6
    # Without sharing of what the scaler saw, the network cannot learn from such numbers.
    pipeline.set_params(kerasclassifier__epochs=1).fit(X, NAMES)
    assert len(pipeline[-1].model.history.epoch) == 1
    assert set(pipeline.predict(X)) <= set(NAMES)


def test_probabilities_by_cross_validation() -> None:
    found = cross_val_predict(KerasClassifier(classifier, **FIT), X, NAMES, cv=3, method="predict_proba")
    assert found.shape == (90, 3)
    np.testing.assert_allclose(found.sum(1), 1, rtol=1e-5)


def test_grid_search() -> None:
    search = GridSearchCV(
        KerasRegressor(regressor, **FIT), {"rate": [1e-6, 0.1], "batch_size": [10, 30]}, cv=2
    )
    search.fit(X, TARGETS)
    assert search.best_params_ == {"rate": 0.1, "batch_size": 10}
    assert search.best_estimator_.sk_params["rate"] == 0.1
    assert search.predict(X).shape == (90,)
    assert search.score(X, TARGETS) > -0.5


def test_what_to_install() -> None:
    program = """
import sys
sys.modules["sklearn"] = None
from kgraph import keras
try:
    import kgraph.keras.wrappers.scikit_learn
except ImportError as error:
    assert "pip install 'kgraph[sklearn]'" in str(error), error
else:
    raise SystemExit("imported")
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
