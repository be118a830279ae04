"""What fit, evaluate and predict take: every form of the same data does the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from kgraph import keras
from kgraph.keras import layers as L
from tests.keras.training.small import (
    LABELS,
    ONE_HOT,
    N,
    X,
    Y,
    Z,
    classifier,
    regression,
    stateful,
    two_by_two,
)

FORMS = {
    "arrays": (X, Y),
    "float64": (X.astype("float64"), Y.astype("float64")),
    "lists of numbers": (X.tolist(), Y.tolist()),
    "lists of arrays": ([X], [Y]),
    "tuples of arrays": ((X,), (Y,)),
    "lists of nested lists": ([X.tolist()], [Y.tolist()]),
    "dicts": ({"out_input": X}, {"out": Y}),
    "labels without an axis": (X, Y[:, 0]),
    "strided": (np.repeat(X, 2, axis=0)[::2], Y[::-1][::-1]),
    "in Fortran's order": (np.asfortranarray(X), np.asfortranarray(Y)),
}


def trained(model: Any, x: Any, y: Any, **arguments: Any) -> list[np.ndarray]:
    """The weights after an epoch from equal weights in equal order."""
    model.set_weights([np.full(w.shape, 0.1) for w in model.weights])
    model.fit(x, y, batch_size=8, verbose=0, shuffle=False, **arguments)
    return model.get_weights()


@pytest.mark.parametrize("form", FORMS)
def test_one_input_and_one_output(form: str) -> None:
    x, y = FORMS[form]
    model = regression()
    for mine, wanted in zip(trained(model, x, y), trained(model, X, Y), strict=True):
        np.testing.assert_array_equal(mine, wanted)
    assert model.evaluate(x, y, verbose=0) == model.evaluate(X, Y, verbose=0)
    np.testing.assert_array_equal(model.predict(x), model.predict(X))
    assert model.test_on_batch(x, y) == model.test_on_batch(X, Y)
    np.testing.assert_array_equal(model.predict_on_batch(x), model.predict_on_batch(X))


@pytest.mark.parametrize(
    ("x", "y"),
    [
        ([X, Z], (Y, ONE_HOT)),
        ((X, Z), {"q": ONE_HOT, "p": Y[:, 0]}),
        ({"b": Z, "a": X, "unused": Y}, [Y, ONE_HOT]),
        ({"a": X.tolist(), "b": Z}, {"p": Y.tolist(), "q": ONE_HOT}),
    ],
)
def test_several_inputs_and_outputs(x: Any, y: Any) -> None:
    model = two_by_two()
    for mine, wanted in zip(trained(model, x, y), trained(model, [X, Z], [Y, ONE_HOT]), strict=True):
        np.testing.assert_array_equal(mine, wanted)
    assert model.evaluate(x, y, verbose=0) == model.evaluate([X, Z], [Y, ONE_HOT], verbose=0)


def test_an_output_without_a_loss_needs_no_targets_but_may_have_some() -> None:
    model = two_by_two(loss={"p": "mse"})
    assert model.metrics_names == ["loss"]
    losses = {model.evaluate([X, Z], y, verbose=0) for y in (Y, [Y], {"p": Y}, [Y, ONE_HOT])}
    with pytest.warns(UserWarning, match="q/kernel"):
        model.fit([X, Z], Y, verbose=0)
    assert len(losses) == 1


def test_one_sample_as_nested_lists_is_one_sample() -> None:
    assert regression().predict([[1, 2, 3, 4]]).shape == (1, 1)
    assert regression().predict([X[:1]]).shape == (1, 1)


def test_a_last_axis_of_one_may_be_there_or_not() -> None:
    model = keras.Sequential([L.Dense(5, input_shape=(4,)), L.Reshape((5,))])
    model.compile("sgd", "mse")
    y = np.random.randn(N, 5)
    assert model.evaluate(X, y[..., None], verbose=0) == model.evaluate(X, y, verbose=0)


def test_sparse_and_one_hot_labels_agree() -> None:
    one_hot, sparse = classifier(), classifier("sparse_categorical_crossentropy")
    wanted = trained(one_hot, X, ONE_HOT)
    for labels in (LABELS, LABELS[:, None], LABELS.astype("float64"), LABELS.tolist()):
        for mine, theirs in zip(trained(sparse, X, labels), wanted, strict=True):
            np.testing.assert_allclose(mine, theirs, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("batch_size", [1, 7, N, 100])
def test_predictions_and_losses_do_not_depend_on_the_batch_size(batch_size: int) -> None:
    model = two_by_two()
    for mine, wanted in zip(model.predict([X, Z], batch_size=batch_size), model.predict([X, Z]), strict=True):
        np.testing.assert_allclose(mine, wanted, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(
        model.evaluate([X, Z], [Y, ONE_HOT], batch_size=batch_size, verbose=0),
        model.evaluate([X, Z], [Y, ONE_HOT], verbose=0),
        rtol=1e-5,
    )


def test_a_model_with_a_fixed_batch_size_takes_only_whole_batches() -> None:
    model = stateful()
    series, targets = np.zeros((10, 2, 4)), np.zeros((10, 1))
    model.fit(series, targets, verbose=0)
    assert model.predict(series).shape == (10, 1)
    attempts = (
        lambda: model.fit(series, targets, batch_size=10, verbose=0),
        lambda: model.fit(series[:8], targets[:8], verbose=0),
        lambda: model.fit(series, targets, validation_split=0.2, verbose=0),
        lambda: model.predict(series[:8]),
        lambda: model.predict_on_batch(series),
        lambda: model.train_on_batch(series[:4], targets[:4]),
    )
    for attempt in attempts:
        with pytest.raises(ValueError, match=r"fixed batch size(.|\n)*batch_size=5"):
            attempt()


def test_bytes_and_integers_feed_layers_with_weights() -> None:
    image = keras.Input((6, 6, 1), dtype="uint8")
    model = keras.Model(image, L.Dense(2)(L.Flatten()(L.Conv2D(2, 3)(image))))
    model.compile("sgd", "mse")
    model.fit(np.random.randint(0, 255, (8, 6, 6, 1), "uint8"), np.zeros((8, 2)), verbose=0)
