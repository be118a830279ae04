"""Weights in HDF5: in order, by name, what does not fit, and what a hostile file tries."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from kgraph import keras
from kgraph.errors import FileError
from kgraph.keras import layers as L

X = np.random.default_rng(0).normal(size=(5, 6)).astype("float32")


def nested() -> Any:
    """A model in a model, a layer used twice, and statistics."""
    x = keras.Input((4,))
    inner = keras.Model(
        x, L.Dense(3, name="last")(L.BatchNormalization(name="norm")(L.Dense(4, name="first")(x)))
    )
    inner.name = "inner"
    y = keras.Input((6,))
    shared = L.Dense(4, name="shared")
    a, b = inner(shared(y)), inner(shared(L.Activation("tanh")(y)))
    return keras.Model(y, L.Dense(2, name="top")(L.concatenate([a, b])))


def scrambled(model: Any, seed: int = 1) -> Any:
    rng = np.random.default_rng(seed)
    model.set_weights([rng.uniform(0.5, 1.5, w.shape) for w in model.get_weights()])
    return model


@pytest.mark.parametrize("how", ["path", "string", "file", "h5py"])
def test_weights_come_back(tmp_path: Path, how: str) -> None:
    model, other = scrambled(nested()), nested()
    path = tmp_path / "w.h5"
    if how == "file":
        image = BytesIO()
        model.save_weights(image)
        other.load_weights(image)
    elif how == "h5py":
        with h5py.File(path, "w") as file:
            model.save_weights(file)
        with h5py.File(path) as file:
            other.load_weights(file)
    else:
        target: Any = path if how == "path" else str(path)
        model.save_weights(target)
        other.load_weights(target)
    np.testing.assert_array_equal(other.predict(X), model.predict(X))


def test_what_was_frozen_when_it_was_saved_does_not_matter(tmp_path: Path) -> None:
    model = scrambled(nested())
    model.get_layer("inner").get_layer("first").trainable = False
    model.save_weights(tmp_path / "w.h5")
    other = nested()
    other.load_weights(tmp_path / "w.h5")
    np.testing.assert_array_equal(other.predict(X), model.predict(X))


def test_by_name_takes_what_has_the_name(tmp_path: Path) -> None:
    model = scrambled(nested())
    model.save_weights(tmp_path / "w.h5")
    other = keras.Sequential([L.Dense(4, name="shared", input_shape=(6,)), L.Dense(2, name="new")])
    before = other.get_layer("new").get_weights()
    other.load_weights(tmp_path / "w.h5", by_name=True)
    np.testing.assert_array_equal(
        other.layers[0].get_weights()[0], model.get_layer("shared").get_weights()[0]
    )
    np.testing.assert_array_equal(other.get_layer("new").get_weights()[0], before[0])


def test_a_mismatch_is_an_error_that_changes_nothing_or_is_skipped_with_a_warning(tmp_path: Path) -> None:
    model = scrambled(keras.Sequential([L.Dense(4, input_shape=(6,), name="a"), L.Dense(3, name="b")]))
    model.save_weights(tmp_path / "w.h5")
    other = keras.Sequential([L.Dense(4, input_shape=(6,), name="a"), L.Dense(2, name="b")])
    before = other.get_weights()
    for by_name in (False, True):
        with pytest.raises(FileError, match=r"layer b.*b/kernel(.|\n)*\(4, 2\)(.|\n)*\(4, 3\)"):
            other.load_weights(tmp_path / "w.h5", by_name=by_name)
        for kept, now in zip(before, other.get_weights(), strict=True):
            np.testing.assert_array_equal(kept, now)
    with pytest.warns(UserWarning, match=r"b/(kernel|bias).*stays") as caught:
        other.load_weights(tmp_path / "w.h5", skip_mismatch=True)
    assert len(caught) == 2
    assert caught[0].filename == __file__
    np.testing.assert_array_equal(other.get_weights()[0], model.get_weights()[0])
    np.testing.assert_array_equal(other.get_weights()[2], before[2])


def test_other_numbers_of_layers_and_of_weights(tmp_path: Path) -> None:
    scrambled(nested()).save_weights(tmp_path / "w.h5")
    small = keras.Sequential([L.Dense(4, use_bias=False, name="shared", input_shape=(6,))])
    with pytest.raises(FileError, match="number of layers"):
        small.load_weights(tmp_path / "w.h5")
    with pytest.raises(FileError, match="number of weights"):
        small.load_weights(tmp_path / "w.h5", by_name=True)
    with pytest.warns(UserWarning, match="number of weights"):
        small.load_weights(tmp_path / "w.h5", by_name=True, skip_mismatch=True)


def test_weights_of_as_many_numbers_are_reshaped_when_asked(tmp_path: Path) -> None:
    model = scrambled(keras.Sequential([L.Dense(4, use_bias=False, input_shape=(6,))]))
    model.save_weights(tmp_path / "w.h5")
    other = keras.Sequential([L.Dense(6, use_bias=False, input_shape=(4,))])
    other.load_weights(tmp_path / "w.h5", reshape=True)
    np.testing.assert_array_equal(other.get_weights()[0].ravel(), model.get_weights()[0].ravel())


def test_lists_of_names_beyond_the_header_limit_are_in_pieces(tmp_path: Path) -> None:
    def deep() -> Any:
        names = [f"{'n' * 600}_{i}" for i in range(120)]
        return keras.Sequential(
            [L.Dense(1, input_shape=(1,), name=names[0])]
            + [L.Activation("linear", name=n) for n in names[1:]]
        )

    model, other = scrambled(deep()), deep()
    model.save_weights(tmp_path / "w.h5")
    with h5py.File(tmp_path / "w.h5") as file:
        assert "layer_names" not in file.attrs
        assert "layer_names1" in file.attrs
    other.load_weights(tmp_path / "w.h5")
    np.testing.assert_array_equal(other.get_weights()[0], model.get_weights()[0])


def test_weights_that_a_model_has_itself(tmp_path: Path) -> None:
    class Scaled(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.dense = L.Dense(2, name="dense")
            self.scale = self.add_weight("scale", (), initializer="ones")

        def call(self, inputs: Any) -> Any:
            return self.dense(inputs) * self.scale

    models = [Scaled(), Scaled()]
    for model in models:
        model.predict(X)
    scrambled(models[0]).save_weights(tmp_path / "w.h5")
    models[1].load_weights(tmp_path / "w.h5")
    np.testing.assert_array_equal(models[1].predict(X), models[0].predict(X))


# -- files that try something


def one_layer() -> Any:
    return keras.Sequential([L.Dense(3, input_shape=(6,), name="d")])


def changed(path: Path, change: Any) -> Path:
    scrambled(one_layer()).save_weights(path)
    with h5py.File(path, "r+") as file:
        change(file)
    return path


def replace(file: Any, **arguments: Any) -> None:
    del file["d/d/kernel:0"]
    file.create_dataset("d/d/kernel:0", **arguments)


def external_link(file: Any) -> None:
    del file["d/d/kernel:0"]
    file["d/d/kernel:0"] = h5py.ExternalLink("other.h5", "/x")


def soft_link(file: Any) -> None:
    del file["d/d/kernel:0"]
    file["d/d/kernel:0"] = h5py.SoftLink("/d/d/bias:0")


def linked_group(file: Any) -> None:
    del file["d"]
    file["d"] = h5py.ExternalLink("other.h5", "/d")


def virtual(file: Any) -> None:
    layout = h5py.VirtualLayout((6, 3), "float32")
    layout[...] = h5py.VirtualSource("other.h5", "x", (6, 3))
    del file["d/d/kernel:0"]
    file.create_virtual_dataset("d/d/kernel:0", layout)


def user_filter(file: Any) -> None:
    plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plan.set_chunk((6, 3))
    plan.set_filter(32015, h5py.h5z.FLAG_OPTIONAL, ())
    del file["d/d/kernel:0"]
    h5py.h5d.create(
        file["d/d"].id, b"kernel:0", h5py.h5t.NATIVE_FLOAT, h5py.h5s.create_simple((6, 3)), dcpl=plan
    )


HOSTILE = {
    "a link to another file": external_link,
    "a soft link": soft_link,
    "a group in another file": linked_group,
    "a virtual dataset": virtual,
    "data in another file": lambda file: replace(
        file, shape=(6, 3), dtype="float32", external=[("/dev/zero", 0, 72)]
    ),
    "objects": lambda file: replace(file, data=["a", "b"], dtype=h5py.string_dtype()),
    "a record": lambda file: replace(file, data=np.zeros((6, 3), [("a", "f4")])),
    "a declared size": lambda file: replace(file, shape=(10**6, 10**7), dtype="float64"),
    "a declared size in pieces": lambda file: replace(
        file, shape=(10**6, 10**7), dtype="float64", chunks=(100, 100), compression="gzip"
    ),
    "no data": lambda file: replace(file, shape=(6, 3), dtype="float32"),
    "a null": lambda file: replace(file, data=h5py.Empty("float32")),
    "a filter to load": user_filter,
    "names that are numbers": lambda file: file.attrs.__setitem__("layer_names", np.arange(3)),
    "a name that is not there": lambda file: file.attrs.__setitem__("layer_names", [b"nobody"]),
    "a name that is a dataset": lambda file: file.attrs.__setitem__("layer_names", [b"d/d/bias:0"]),
    "a name that is no text": lambda file: file.attrs.__setitem__("layer_names", [b"\xff\xfe"]),
    "a weight that is a group": lambda file: file["d"].attrs.__setitem__("weight_names", [b"d", b"d"]),
}


@pytest.mark.parametrize("change", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("by_name", [False, True], ids=["in order", "by name"])
def test_what_model_files_have_no_need_of_is_refused(tmp_path: Path, change: Any, by_name: bool) -> None:
    path = changed(tmp_path / "w.h5", change)
    model = one_layer()
    before = model.get_weights()
    with pytest.raises(FileError, match=r"w\.h5"):
        model.load_weights(path, by_name=by_name)
    for kept, now in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(kept, now)


def test_what_is_no_model_file(tmp_path: Path) -> None:
    model = one_layer()
    with pytest.raises(FileNotFoundError, match="nothing"):
        model.load_weights(tmp_path / "nothing.h5")
    with pytest.raises(FileError, match="folder"):
        model.load_weights(tmp_path)
    for content in (b"", b"text", b"\x89HDF\r\n\x1a\n", b"\x89HDF\r\n\x1a\n" + bytes(1000)):
        (tmp_path / "f.h5").write_bytes(content)
        with pytest.raises(FileError, match=r"f\.h5"):
            model.load_weights(tmp_path / "f.h5")
    h5py.File(tmp_path / "empty.h5", "w").close()
    with pytest.raises(FileError, match="layer_names"):
        model.load_weights(tmp_path / "empty.h5")
