"""Models with a `call` of their own: trained, evaluated, predicted, exported; and what they cannot do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kgraph
from kgraph import keras
from kgraph.keras import backend as K
from kgraph.keras import layers as L

X = np.random.RandomState(0).randn(12, 4).astype("float32")
Y = np.random.RandomState(1).randn(12, 1).astype("float32")


class Net(keras.Model):
    """Two layers, dropout between them, and a loss on the activity."""

    def __init__(self, factor: float = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.factor = factor
        self.hidden = L.Dense(5, activation="relu")
        self.drop = L.Dropout(0.5)
        self.out = L.Dense(1)

    def call(self, inputs: Any, training: Any = None) -> Any:
        h = self.drop(self.hidden(inputs), training=training)
        if self.factor:
            self.add_loss(self.factor * K.mean(h))
        return self.out(h)


def test_it_trains_evaluates_and_predicts() -> None:
    model = Net()
    model.compile(keras.optimizers.Adam(0.05), "mse", metrics=["mae"])
    before, _ = model.evaluate(X, Y, verbose=0)
    model.fit(X, Y, epochs=40, verbose=0, validation_split=0.25)
    loss, mae = model.evaluate(X, Y, verbose=0)
    predicted = model.predict(X)
    np.testing.assert_allclose(
        [loss, mae], [((predicted - Y) ** 2).mean(), np.abs(predicted - Y).mean()], rtol=1e-5
    )
    assert loss < before
    assert [w.shape for w in model.get_weights()] == [(4, 5), (5,), (5, 1), (1,)]
    assert model.count_params() == 31
    assert [layer.name for layer in model.layers] == [model.hidden.name, model.drop.name, model.out.name]
    assert len({model.train_on_batch(X, Y)[0] for _ in range(3)}) == 3
    assert len({model.test_on_batch(X, Y)[0] for _ in range(3)}) == 1


def test_it_predicts_before_it_is_compiled() -> None:
    model = Net()
    w = model.predict(X)
    model.compile("sgd", "mse")
    np.testing.assert_array_equal(model.predict(X), w)


def test_losses_added_in_call_count() -> None:
    with_loss, without = Net(0.7), Net()
    for model in (with_loss, without):
        model.compile("sgd", "mse")
        model.predict(X)
    without.set_weights(with_loss.get_weights())
    h = np.maximum(X @ with_loss.get_weights()[0], 0)
    found = with_loss.evaluate(X, Y, verbose=0) - without.evaluate(X, Y, verbose=0)
    np.testing.assert_allclose(found, 0.7 * h.mean(), rtol=1e-4)


def test_it_is_exported(tmp_path: Path) -> None:
    import onnxruntime

    model = Net()
    wanted = model.predict(X)
    for path in (model.export(tmp_path / "a.onnx"), kgraph.export(model, tmp_path / "b.onnx")):
        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        (found,) = session.run(None, {"input_1": X[:7]})
        np.testing.assert_allclose(found, wanted[:7], rtol=1e-5, atol=1e-6)


class Pair(keras.Model):
    """Two inputs by name or in order, two outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.dense = L.Dense(1)

    def call(self, inputs: Any) -> Any:
        a, b = (inputs["a"], inputs["b"]) if isinstance(inputs, dict) else inputs
        return self.dense(a), self.dense(b)


@pytest.mark.parametrize("x", [[X, -X], (X, -X), {"a": X, "b": -X}])
def test_it_may_have_several_inputs_and_outputs(x: Any) -> None:
    model = Pair()
    model.compile("sgd", "mse")
    model.fit(x, [Y, Y], verbose=0)
    first, second = model.predict(x)
    assert model.metrics_names == ["loss", "output_1_loss", "output_2_loss"]
    bias = model.get_weights()[1]
    np.testing.assert_allclose(first - bias, bias - second, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("shape", [[(None, 4), (None, 4)], {"a": (None, 4), "b": [None, 4]}])
def test_build_makes_the_weights_for_several_inputs(shape: Any) -> None:
    model = Pair()
    model.build(shape)
    assert [w.shape for w in model.get_weights()] == [(4, 1), (1,)]


@pytest.mark.parametrize("name", ["w.h5", "m.weights.h5"])
def test_weights_are_loaded_after_build(tmp_path: Path, name: str) -> None:
    trained, model = Net(), Net()
    trained.compile("sgd", "mse")
    trained.fit(X, Y, verbose=0)
    trained.save_weights(tmp_path / name)
    model.build((None, 4))
    model.load_weights(tmp_path / name)
    np.testing.assert_array_equal(model.predict(X), trained.predict(X))
    model.compile("sgd", "mse")
    model.fit(X, Y, verbose=0)


def test_build_with_weights_of_its_own_is_called_once() -> None:
    class Scaled(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.out, self.calls = L.Dense(2), 0

        def build(self, input_shape: Any) -> None:
            self.calls += 1
            self.w = self.add_weight(name="w", shape=(input_shape[-1],), initializer="ones")
            super().build(input_shape)

        def call(self, inputs: Any) -> Any:
            return self.out(inputs * self.w)

    asked, called = Scaled(), Scaled()
    asked.build((None, 4))
    called(keras.Input((4,)))
    for model in (asked, called):
        assert model.calls == 1
        assert model.predict(X).shape == (12, 2)
        assert sorted(w.shape for w in model.get_weights()) == [(2,), (4,), (4, 2)]


@pytest.mark.parametrize("shape", [5, "abc", (), (None, "x"), [(None, 4), 3], (None, -1)])
def test_build_wants_shapes(shape: Any) -> None:
    model = Net()
    with pytest.raises((TypeError, ValueError)):
        model.build(shape)
    assert not model.built
    model.build((None, 4))
    assert model.predict(X).shape == (12, 1)


def test_lists_of_numbers_are_one_array() -> None:
    model = Net()
    model.compile("sgd", "mse")
    model.fit(X.tolist(), Y.tolist(), verbose=0)
    assert model.predict(X.tolist()).shape == (12, 1)


def test_it_is_a_layer_of_other_models() -> None:
    x, inner = keras.Input((4,)), Net()
    model = keras.Model(x, L.Dense(1)(inner(x)))
    model.compile("sgd", "mse")
    before = inner.get_weights()
    model.fit(X, Y, verbose=0)
    assert any((a != b).any() for a, b in zip(before, inner.get_weights(), strict=True))


def test_it_describes_itself_by_what_it_was_made_from() -> None:
    config = Net(factor=0.5, name="net").get_config()
    assert config == {"name": "net", "trainable": True, "factor": 0.5}
    again = Net.from_config(config)
    assert (again.name, again.factor) == ("net", 0.5)


def test_what_it_cannot_describe_it_says() -> None:
    class Forgetful(keras.Model):
        def __init__(self, units: int, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.out = L.Dense(units)

    with pytest.raises(NotImplementedError, match=r"an attribute 'units'"):
        Forgetful(3).get_config()


def test_an_hdf5_file_cannot_hold_it(tmp_path: Path) -> None:
    model = Net()
    model.predict(X)
    with pytest.raises(NotImplementedError, match="subclassed"):
        model.save(tmp_path / "m.h5")


def test_before_the_first_data_it_is_not_built() -> None:
    model = Net(name="net")
    for attempt in (model.summary, model.count_params, lambda: model.output_shape):
        with pytest.raises(ValueError, match=r"net(.|\n)*call on data first"):
            attempt()


def test_a_model_without_call_says_so() -> None:
    class Empty(keras.Model):
        pass

    with pytest.raises(ValueError, match="needs a call method"):
        Empty().predict(X)


def test_data_of_another_width_is_refused_and_the_model_stays() -> None:
    model = Net()
    model.compile("sgd", "mse")
    model.fit(X, Y, verbose=0)
    with pytest.raises(ValueError, match=r"float32\[batch, 4\](.|\n)*float32\[12, 2\]"):
        model.fit(X[:, :2], Y, verbose=0)
    model.fit(X, Y, verbose=0)


def test_a_stack_inside_is_built_when_it_is_first_called() -> None:
    class Outer(keras.Model):
        def __init__(self, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.stack = keras.Sequential([L.Dense(3), L.Dense(1)])

        def call(self, inputs: Any) -> Any:
            return self.stack(inputs) * 2.0

    model = Outer()
    predicted = model.predict(X)
    assert len(model.weights) == 4
    np.testing.assert_allclose(predicted, 2 * model.stack.predict(X), rtol=1e-6)
