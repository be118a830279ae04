"""Writes `PRODUCER.zip` with the Keras that is installed: `python -m tests.data.keras_files.write PRODUCER`.

Producers and what they run on are listed in README.md beside this file. Of each model the archive has

    NAME/model.h5     the model with its training configuration, after some training steps
    NAME/weights.h5   its weights alone            NAME/model.json, model.yaml   its architecture
    NAME/model.keras  the same as model.h5, from those that know it
    NAME/arrays.npz   x0…, y0… the data; p0… predictions of the model; a0… its weights after more steps
"""

from __future__ import annotations

import importlib
import os
import pathlib
import sys
import tempfile
import zipfile

import numpy as np

from tests.data.keras_files.recipes import STEPS, by_name, recipes, start, weights_of
from tests.data.keras_files.recipes_1 import PRODUCER as KERAS_1
from tests.data.keras_files.recipes_1 import recipes_1

HERE = pathlib.Path(__file__).resolve().parent
BACKENDS = {"keras-1": "theano", "keras-3": "jax"}


def train(model, x, y):
    for _ in range(STEPS):
        model.train_on_batch(x if len(x) > 1 else x[0], y if len(y) > 1 else y[0])


def predict(model, x):
    given = model.predict(x if len(x) > 1 else x[0], batch_size=len(x[0]), verbose=0)
    return given if isinstance(given, list) else [given]


def is_later(keras):
    """Whether it knows `.keras` files."""
    return not keras.__version__.startswith(("1.", "2.3"))


def reload(keras, folder, names):
    """The model from the first of its files that this Keras reads itself."""
    for name in names:
        try:
            options = {"safe_mode": False} if is_later(keras) else {}
            return keras.models.load_model(str(folder / name), **options), name
        except (ValueError, TypeError, AssertionError) as error:
            print(f"{folder.name}/{name}: cannot be read again: {str(error)[:100]}")
    return None, ""


def save(model, path):
    """Whether it could be written: Keras 3.0 cannot put two weights of one name into a layer's HDF5 group."""
    try:
        model.save(str(path))
    except ValueError as error:
        path.unlink()
        print(f"{path.parent.name}/{path.name}: cannot be written: {error}")
        return False
    return True


def compare(model, fresh, x, y, name, key):
    """Print where training on from the file is not training on."""
    try:
        train(fresh, x, y)
    except ValueError as error:
        print(f"{name}: does not train: {str(error)[:100]}")
        return
    pairs = list(zip(weights_of(model, key), weights_of(fresh, key)))  # noqa: B905  # Python 3.7 has no strict
    if any(a.shape != b.shape for a, b in pairs):
        print(f"{name}: has its layers in another order")
        return
    apart = max(float(np.abs(a - b).max()) for a, b in pairs)
    if apart > 1e-6:
        print(f"{name}: training goes on elsewhere, by {apart:.2g}")


def write_parts(keras, model, folder):
    """Weights and architecture, each alone."""
    # Keras 3 insists on this name.
    model.save_weights(str(folder / "model.weights.h5"))
    (folder / "model.weights.h5").rename(folder / "weights.h5")
    (folder / "model.json").write_text(model.to_json())
    if not is_later(keras):
        (folder / "model.yaml").write_text(model.to_yaml())


def write(keras, recipe, folder):
    """Files of one model. Prints what this Keras itself does not do with them."""
    for name, value in recipe.custom(keras).items():
        keras.utils.get_custom_objects()[name] = value
    key = by_name if keras.__version__.startswith("1.") else None
    model = recipe.build(keras, keras.layers)
    model.set_weights(start(model.get_weights()))
    model.compile(optimizer=recipe.optimizer(keras), **recipe.compiled)
    x, y = recipe.data()
    if recipe.trains:
        train(model, x, y)
    # The archive first: when it writes HDF5, Keras 3 forgets the optimizer of what it writes later.
    names = ["model.keras", "model.h5"] if is_later(keras) else ["model.h5"]
    names = [name for name in names if save(model, folder / name)]
    if not recipe.name.startswith("optimizer"):
        write_parts(keras, model, folder)
    fresh, name = reload(keras, folder, names)
    if recipe.name == "stateful":
        model = fresh  # one that has not seen anything yet
    arrays = {f"p{i}": p for i, p in enumerate(predict(model, x))}
    arrays.update({f"x{i}": a for i, a in enumerate(x)}, **{f"y{i}": a for i, a in enumerate(y)})
    if recipe.name == "stateful":
        model, name = reload(keras, folder, names)
    if recipe.trains:
        train(model, x, y)
        arrays.update({f"a{i}": a for i, a in enumerate(weights_of(model, key))})
        if fresh is not None and recipe.name != "stateful":
            compare(model, fresh, x, y, recipe.name + "/" + name, key)
    np.savez(str(folder / "arrays.npz"), **arrays)


def pack(folder, target):
    """The folder as a zip that is the same whenever it is made from the same files."""
    with zipfile.ZipFile(str(target), "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(p for p in folder.rglob("*") if p.is_file()):
            entry = zipfile.ZipInfo(str(path.relative_to(folder)))
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, path.read_bytes())


def settle():
    """One thread: Keras 2.3 does not order the reading of a step counter and its counting on."""
    import tensorflow

    tensorflow.config.threading.set_inter_op_parallelism_threads(1)
    tensorflow.config.threading.set_intra_op_parallelism_threads(1)


def main(producer):
    os.environ["KERAS_BACKEND"] = BACKENDS.get(producer[:7], "tensorflow")
    os.environ.update(
        CUDA_VISIBLE_DEVICES="", JAX_PLATFORMS="cpu", TF_CPP_MIN_LOG_LEVEL="3", TF_DETERMINISTIC_OPS="1"
    )
    keras = importlib.import_module("tf_keras" if producer == "tf_keras" else "keras")
    if producer == "keras-2.3.1":
        settle()
    elif producer == KERAS_1:
        importlib.import_module("theano.ifelse")  # which Keras takes for granted
    expected = producer.partition("-")[2]
    assert keras.__version__.startswith(expected), keras.__version__
    with tempfile.TemporaryDirectory() as temporary:
        for recipe in recipes_1() if producer == KERAS_1 else recipes(producer):
            folder = pathlib.Path(temporary) / recipe.name
            folder.mkdir()
            getattr(keras.backend, "clear_session", bool)()
            write(keras, recipe, folder)
        pack(pathlib.Path(temporary), HERE / (producer + ".zip"))


if __name__ == "__main__":
    main(sys.argv[1])
