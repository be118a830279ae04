"""Another Keras reads files of kgraph: `python -m tests.data.keras_files.read PRODUCER FOLDER`, after `ours.py`.

What came of each is kept in `read_by.json`: "" for the same predictions and state of the optimizer, or
what went wrong.
"""

from __future__ import annotations

import importlib
import json
import os
import pathlib
import sys

import numpy as np

RESULTS = pathlib.Path(__file__).resolve().parent / "read_by.json"


def listed(arrays, kind):
    return [arrays[f"{kind}{i}"] for i in range(len(arrays)) if f"{kind}{i}" in arrays]


def apart(found, wanted):
    return max(float(np.abs(a - b).max()) for a, b in zip(found, wanted))  # noqa: B905  # Python 3.7 has no strict


def optimizer_state(optimizer):
    if hasattr(optimizer, "get_weights"):
        return optimizer.get_weights()
    variables = optimizer.variables
    return [np.asarray(v) for v in (variables() if callable(variables) else variables)]


def outcome(keras, path):
    """What is wrong with the model in a file, if anything."""
    arrays = np.load(str(path.with_suffix(".npz")))
    x, y, wanted = (listed(arrays, kind) for kind in "xyp")
    try:
        model = keras.models.load_model(str(path), compile=bool(y))
        found = model.predict(x if len(x) > 1 else x[0], batch_size=len(x[0]), verbose=0)
    except Exception as error:  # noqa: BLE001  # whatever another version stumbles over is the result
        return f"{type(error).__name__}: {str(error).splitlines()[0][:150]}"
    difference = apart(found if isinstance(found, list) else [found], wanted)
    if difference > 1e-5:
        return f"predictions differ by {difference:.1g}"
    if y:
        state = optimizer_state(model.optimizer)
        for slot in listed(arrays, "s"):
            if not any(array.shape == slot.shape and np.array_equal(array, slot) for array in state):
                return "the optimizer has another state"
    return ""


def main(producer, folder):
    os.environ.update(CUDA_VISIBLE_DEVICES="", TF_CPP_MIN_LOG_LEVEL="3", KERAS_BACKEND="tensorflow")
    keras = importlib.import_module("tf_keras" if producer == "tf_keras" else "keras")
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    mine = {}
    for entry in json.loads((folder / "index.json").read_text()):
        keras.backend.clear_session()
        mine[entry["name"]] = {
            "classes": entry["classes"],
            "problem": outcome(keras, folder / (entry["file"] + ".h5")),
        }
        print(entry["name"], mine[entry["name"]]["problem"] or "the same")
    results[producer] = mine
    RESULTS.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], pathlib.Path(sys.argv[2]))
