"""Data that come from tensors of the graph, held against the same data as arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from kgraph import keras
from kgraph.keras import backend as K
from kgraph.keras import layers as L
from tests.keras.training.small import LABELS, ONE_HOT, N, X, Y

HALF = N // 2


def model_of(x: Any = None, y: Any = None, loss: Any = "mse", units: int = 1, **arguments: Any) -> Any:
    """A dense layer on arrays that are fed, or on a tensor."""
    keras.utils.set_random_seed(0)
    start = keras.Input((4,), name="x") if x is None else keras.Input(tensor=x, name="x")
    activation = "softmax" if units > 1 else None
    model = keras.Model(start, L.Dense(units, name="out", activation=activation)(start))
    model.compile(keras.optimizers.SGD(0.1), loss, target_tensors=y, **arguments)
    return model


def same_weights(a: Any, b: Any) -> None:
    for mine, other in zip(a.get_weights(), b.get_weights(), strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("kind", [K.constant, K.variable, lambda a: K.constant(a - 1) + 1.0])
def test_fit_needs_no_data(kind: Any) -> None:
    plain = model_of(metrics=["mae"])
    wanted = plain.fit(X, Y, batch_size=N, epochs=6, verbose=0).history
    model = model_of(kind(X), kind(Y), metrics=["mae"])
    found = model.fit(steps_per_epoch=1, epochs=6, verbose=0).history
    for name, numbers in wanted.items():
        np.testing.assert_allclose(found[name], numbers, rtol=1e-5)
    same_weights(model, plain)


def test_an_epoch_is_so_many_steps() -> None:
    model, seen = model_of(K.constant(X), K.constant(Y)), []
    watch = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: seen.append(logs["size"]))
    history = model.fit(None, None, steps_per_epoch=3, epochs=2, verbose=0, callbacks=[watch])
    assert seen == [N] * 6
    assert int(np.asarray(model.optimizer.iterations)) == 6
    assert history.params["steps"] == 3
    assert history.params["samples"] is None
    plain = model_of()
    plain.fit(X, Y, batch_size=N, epochs=6, verbose=0)
    same_weights(model, plain)


@pytest.mark.parametrize("of", ["inputs", "targets"])
def test_arrays_beside_tensors_come_in_batches_of_their_size(of: str) -> None:
    """Rows stay beside the rows of the tensor: nothing is shuffled."""
    plain = model_of()
    model = model_of(K.constant(X[:HALF])) if of == "inputs" else model_of(None, K.constant(Y[:HALF]))
    for _ in range(3):
        for part in (slice(0, HALF), slice(HALF, N)):
            x, y = (X[:HALF], Y[part]) if of == "inputs" else (X[part], Y[:HALF])
            plain.train_on_batch(x, y)
    if of == "inputs":
        model.fit(None, Y, epochs=3, verbose=0)
    else:
        model.fit(X, epochs=3, verbose=0)
    same_weights(model, plain)


def test_evaluate_and_predict_need_no_data() -> None:
    plain, model = model_of(), model_of(K.constant(X), K.constant(Y))
    wanted = plain.evaluate(X, Y, batch_size=N, verbose=0)
    assert model.evaluate(steps=3, verbose=0) == pytest.approx(wanted, rel=1e-6)
    np.testing.assert_allclose(model.predict(steps=2), np.tile(plain.predict(X), (2, 1)), rtol=1e-6)
    np.testing.assert_allclose(model.predict(None), plain.predict(X), rtol=1e-6)
    np.testing.assert_allclose(model.predict_on_batch(None), plain.predict(X), rtol=1e-6)


def test_single_batches_need_no_data() -> None:
    plain, model = model_of(), model_of(K.constant(X), K.constant(Y))
    for _ in range(3):
        assert model.train_on_batch(None) == pytest.approx(plain.train_on_batch(X, Y), rel=1e-6)
    assert model.test_on_batch(None, None) == pytest.approx(plain.test_on_batch(X, Y), rel=1e-6)
    same_weights(model, plain)


def test_held_out_data_may_be_tensors_or_arrays() -> None:
    model = model_of(K.constant(X), K.constant(Y))
    arguments: Any = {"validation_data": (None, None), "validation_steps": 2, "verbose": 0}
    history = model.fit(steps_per_epoch=1, epochs=2, **arguments).history
    assert history["val_loss"][-1] == pytest.approx(model.evaluate(steps=1, verbose=0), rel=1e-6)
    model = model_of(K.constant(X))
    history = model.fit(None, Y, verbose=0, validation_data=(None, Y * 0)).history
    assert history["val_loss"][0] == pytest.approx(np.square(model.predict()).mean(), rel=1e-5)


def test_a_variable_is_read_anew_at_every_step() -> None:
    x, y = K.variable(X), K.variable(Y)
    model, plain = model_of(x, y), model_of()
    for factor in (1.0, -2.0):
        K.set_value(x, X * factor)
        K.set_value(y, Y + factor)
        model.fit(steps_per_epoch=2, verbose=0)
        plain.fit(X * factor, Y + factor, batch_size=N, epochs=2, verbose=0)
        np.testing.assert_allclose(model.predict(), plain.predict(X * factor), rtol=1e-5)
    same_weights(model, plain)


def test_random_tensors_are_drawn_anew_at_every_step() -> None:
    """A teacher on random inputs: only with new inputs at each step is the loss of every step another one."""
    x = K.random_normal((16, 4), seed=1)
    model = model_of(x, K.sum(x, -1, keepdims=True))
    losses: list[float] = []
    watch = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: losses.append(logs["loss"]))
    model.fit(steps_per_epoch=1, epochs=60, verbose=0, callbacks=[watch])
    assert len(set(losses)) == 60
    np.testing.assert_allclose(model.get_weights()[0], np.ones((4, 1)), atol=1e-3)


@pytest.mark.parametrize(
    ("loss", "labels"),
    [("categorical_crossentropy", ONE_HOT), ("sparse_categorical_crossentropy", LABELS[:, None])],
)
def test_labels_may_be_tensors(loss: str, labels: np.ndarray) -> None:
    plain = model_of(loss=loss, units=3, metrics=["accuracy"])
    model = model_of(None, K.variable(labels), loss=loss, units=3, metrics=["accuracy"])
    for _ in range(3):
        np.testing.assert_allclose(model.train_on_batch(X), plain.train_on_batch(X, labels), rtol=1e-6)
    same_weights(model, plain)


def test_placeholders_are_fed() -> None:
    """What they are for: targets of another dtype or shape than the output has."""
    target = K.placeholder((None, 2), dtype="int32")

    def first(y_true: Any, y_pred: Any) -> Any:
        assert (y_true.dtype, y_true.shape[1]) == ("int32", 2)
        return K.square(K.cast(y_true[:, :1], "float32") - y_pred)

    model, plain = model_of(None, target, loss=first), model_of()
    whole = np.round(Y * 3)
    model.fit(X, np.concatenate([whole, whole + 7], 1), epochs=2, verbose=0, shuffle=False)
    plain.fit(X, whole, epochs=2, verbose=0, shuffle=False)
    same_weights(model, plain)
    with pytest.raises(ValueError, match=r"target 'out' does not fit(.|\n)*2\](.|\n)*float32\[30, 3\]"):
        model.fit(X, np.zeros((N, 3), "float32"), verbose=0)


@pytest.mark.parametrize("form", ["list", "dict", "list with None"])
def test_outputs_may_differ(form: str) -> None:
    def build(targets: Any) -> Any:
        keras.utils.set_random_seed(0)
        x = keras.Input((4,))
        model = keras.Model(x, [L.Dense(1, name="p")(x), L.Dense(3, name="q")(x)])
        model.compile("sgd", "mse", target_tensors=targets)
        return model

    p, q = K.constant(Y), K.constant(ONE_HOT)
    targets = {"list": [p, q], "dict": {"q": q}, "list with None": [None, q]}[form]
    model, plain = build(targets), build(None)
    data = None if form == "list" else Y
    found = model.train_on_batch(X, data)
    np.testing.assert_allclose(found, plain.train_on_batch(X, [Y, ONE_HOT]), rtol=1e-6)


def test_weights_of_samples_are_fed_as_ever() -> None:
    weights = np.arange(N) / N
    model, plain = model_of(K.constant(X), K.constant(Y)), model_of()
    model.fit(sample_weight=weights, epochs=2, verbose=0)
    plain.fit(X, Y, sample_weight=weights, batch_size=N, epochs=2, verbose=0, shuffle=False)
    same_weights(model, plain)


def test_a_model_with_target_tensors_is_saved_without_them(tmp_path: Any) -> None:
    model = model_of(None, K.constant(Y))
    model.train_on_batch(X)
    model.save(tmp_path / "m.h5")
    loaded = keras.models.load_model(tmp_path / "m.h5")
    assert loaded.evaluate(X, Y, verbose=0) == pytest.approx(
        model.evaluate(X, batch_size=N, verbose=0), rel=1e-6
    )


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m: m.fit(verbose=0), r"no end(.|\n)*steps_per_epoch"),
        (lambda m: m.evaluate(verbose=0), r"no end(.|\n)*steps to evaluate"),
        (lambda m: m.fit(X, steps_per_epoch=1, verbose=0), r"inputs are tensors(.|\n)*ndarray"),
        (lambda m: m.fit(None, Y, steps_per_epoch=1, verbose=0), r"targets are tensors(.|\n)*ndarray"),
        (lambda m: m.predict(X), "inputs are tensors"),
        (
            lambda m: m.fit(steps_per_epoch=1, verbose=0, class_weight={0: 1.0}),
            r"class_weight(.|\n)*target tensors",
        ),
        (lambda m: m.fit(steps_per_epoch=1, verbose=0, validation_split=0.5), "fixed batch size"),
        (lambda m: m.fit(steps_per_epoch=1, verbose=0, batch_size=7), "fixed batch size"),
    ],
)
def test_misuse_is_told(call: Any, message: str) -> None:
    model = model_of(K.constant(X), K.constant(Y))
    with pytest.raises(ValueError, match=message):
        call(model)


def test_without_tensors_there_must_be_data() -> None:
    with pytest.raises(ValueError, match="no input data"):
        model_of().fit(steps_per_epoch=1, verbose=0)
    with pytest.raises(ValueError, match="no target data"):
        model_of(K.constant(X)).fit(steps_per_epoch=1, verbose=0)
    with pytest.raises(ValueError, match=r"batch_size=30"):
        model_of(None, K.constant(Y)).fit(X[:7], verbose=0)
