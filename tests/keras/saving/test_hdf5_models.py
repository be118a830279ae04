"""Whole models in HDF5: what is in the file, training that goes on, and files that do not fit together."""

from __future__ import annotations

import json
from io import BytesIO
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from kgraph import keras
from kgraph.errors import FileError
from kgraph.keras import backend as K
from kgraph.keras import layers as L

RNG = np.random.default_rng(0)
X = RNG.normal(size=(32, 4)).astype("float32")
Y = RNG.normal(size=(32, 2)).astype("float32")


def small(optimizer: Any = "adam") -> Any:
    model = keras.Sequential(
        [L.Dense(3, input_shape=(4,), activation="tanh"), L.BatchNormalization(), L.Dense(2)]
    )
    model.compile(optimizer, "mse", metrics=["mae"])
    return model


class Momentum(keras.optimizers.Optimizer):
    """An optimizer as Keras 2 had them: its state is made when its updates are asked for."""

    def __init__(self, lr: Any = 0.01, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.learning_rate = lr

    def get_updates(self, loss: Any, params: Any) -> Any:
        moments = [K.zeros(p.shape) for p in params]
        self.weights = [self.iterations, *moments]
        self.updates = [K.update_add(self.iterations, 1)]
        for p, g, m in zip(params, self.get_gradients(loss, params), moments, strict=True):
            step = 0.9 * m - self.lr * g
            self.updates += [K.update(m, step), K.update(p, p + step)]
        return self.updates

    def get_config(self) -> dict[str, Any]:
        return {"lr": float(K.get_value(self.lr))}


OPTIMIZERS = ["sgd", "rmsprop", "adagrad", "adadelta", "adam", "adamax", "nadam", "adamw", Momentum]


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=str)
def test_training_goes_on_where_it_stood(optimizer: Any, tmp_path: Path) -> None:
    model = small(optimizer if isinstance(optimizer, str) else optimizer())
    model.fit(X, Y, epochs=2, verbose=0)
    model.save(tmp_path / "m.h5")
    loaded = keras.models.load_model(tmp_path / "m.h5", custom_objects={"Momentum": Momentum})
    histories = [each.fit(X, Y, epochs=2, batch_size=8, verbose=0).history for each in (model, loaded)]
    assert histories[0] == histories[1]
    for one, other in zip(model.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_file_is_laid_out_as_keras_2_does(tmp_path: Path) -> None:
    model = small()
    model.fit(X, Y, verbose=0)
    model.save(tmp_path / "m.h5")
    with h5py.File(tmp_path / "m.h5") as file:
        assert {"keras_version", "backend", "model_config", "training_config"} <= file.attrs.keys()
        assert json.loads(file.attrs["model_config"])["class_name"] == "Sequential"
        assert json.loads(file.attrs["training_config"])["optimizer_config"]["class_name"] == "Adam"
        weights = file["model_weights"]
        assert weights.attrs["layer_names"].tolist() == [layer.name.encode() for layer in model.layers]
        first = model.layers[0].name
        names = weights[first].attrs["weight_names"].tolist()
        assert names == [f"{first}/kernel:0".encode(), f"{first}/bias:0".encode()]
        np.testing.assert_array_equal(weights[first][names[0].decode()], model.get_weights()[0])
        state = file["optimizer_weights"].attrs["weight_names"].tolist()
        assert state[0] == b"adam/iterations:0"
        assert len(state) == 1 + 3 * 6  # momentum, velocity, and velocity_hat, which does nothing


def test_a_file_without_training_says_so(tmp_path: Path) -> None:
    small().save(tmp_path / "m.h5", include_optimizer=False)
    with pytest.warns(UserWarning, match="not compiled") as caught:
        model = keras.models.load_model(tmp_path / "m.h5")
    assert caught[0].filename == __file__
    assert model.optimizer is None
    assert keras.models.load_model(tmp_path / "m.h5", compile=False).optimizer is None


def test_a_model_that_was_not_trained_has_no_state_of_an_optimizer(tmp_path: Path) -> None:
    small().save(tmp_path / "m.h5")
    with h5py.File(tmp_path / "m.h5") as file:
        assert "optimizer_weights" not in file
    keras.models.load_model(tmp_path / "m.h5").fit(X, Y, verbose=0)


def test_the_state_of_another_optimizer_is_left_with_a_warning(tmp_path: Path) -> None:
    model = small()
    model.fit(X, Y, verbose=0)
    model.save(tmp_path / "m.h5")
    with h5py.File(tmp_path / "m.h5", "r+") as file:
        names = file["optimizer_weights"].attrs["weight_names"]
        file["optimizer_weights"].attrs["weight_names"] = names[:4]
    with pytest.warns(UserWarning, match="another optimizer than Adam"):
        loaded = keras.models.load_model(tmp_path / "m.h5")
    assert int(loaded.optimizer.iterations.numpy()) == 0


@pytest.mark.parametrize("where", ["memory", "h5py", "group"])
def test_files_that_are_open(where: str, tmp_path: Path) -> None:
    model = small()
    if where == "memory":
        image = BytesIO()
        model.save(image)
        loaded = keras.models.load_model(image)
    else:
        with h5py.File(tmp_path / "m.h5", "w") as file:
            target = file if where == "h5py" else file.create_group("somewhere")
            model.save(target)
            loaded = keras.models.load_model(target)
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))


@pytest.mark.parametrize("name", ["m.h5", "m.keras"])
def test_what_is_no_file_of_bytes(name: str, tmp_path: Path) -> None:
    model, path = small(), tmp_path / name
    model.save(path)
    with path.open() as text, (tmp_path / "new").open("w") as new:
        for strange in (text, None, 3, b"m.h5"):
            with pytest.raises(TypeError, match="no file for models"):
                keras.models.load_model(strange)
        for strange in (new, None, 3, b"m.h5"):
            with pytest.raises(TypeError, match="no file for models"):
                model.save(strange)
            with pytest.raises(TypeError, match="no file for models"):
                model.save_weights(strange)


def test_a_model_that_is_larger_than_the_file_takes_no_memory(tmp_path: Path) -> None:
    small().save(tmp_path / "m.h5")
    with h5py.File(tmp_path / "m.h5", "r+") as file:
        config = json.loads(file.attrs["model_config"])
        for units in (10**5, 10**9, 10**18, 10**40):
            for layer in config["config"]["layers"]:
                if "units" in layer["config"]:
                    layer["config"]["units"] = units
            file.attrs["model_config"] = json.dumps(config).encode()
            with pytest.raises(FileError, match="larger model than it can hold"):
                keras.models.load_model(file)


def test_parts_that_do_not_fit_each_other(tmp_path: Path) -> None:
    def changed(change: Any) -> h5py.File:
        small().save(tmp_path / "m.h5")
        file = h5py.File(tmp_path / "m.h5", "r+")
        change(file)
        return file

    def with_units(file: h5py.File) -> None:
        config = json.loads(file.attrs["model_config"])
        config["config"]["layers"][-1]["config"]["units"] = 5
        file.attrs["model_config"] = json.dumps(config).encode()

    for change, message in (
        (with_units, "another shape"),
        (lambda file: file.__delitem__("model_weights"), "no weights"),
        (lambda file: file.attrs.__delitem__("model_config"), "no architecture"),
        (lambda file: file.attrs.__setitem__("model_config", b"{"), "not JSON"),
        (lambda file: file.attrs.__setitem__("model_config", b"[" * 10**5), "too deeply"),
    ):
        with changed(change) as file, pytest.raises(FileError, match=message):
            keras.models.load_model(file)
