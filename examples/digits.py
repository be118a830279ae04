"""Train a small convolutional network on real handwritten digits, and ship it.

Writes into demo-output/ (or the folder given as the only argument): the trained model as ONNX, a training bundle, a
picture of the learning curves and one of the model; then runs the ONNX file in a bare onnxruntime session.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np

import kgraph
from kgraph import keras
from kgraph.keras import layers


def build_model() -> keras.Model:
    """Two convolutions, one pooling, two dense layers: 40 thousand weights."""
    return keras.Sequential(
        [
            layers.Conv2D(32, 3, activation="relu", padding="same", input_shape=(8, 8, 1), name="conv_1"),
            layers.Conv2D(64, 3, activation="relu", name="conv_2"),
            layers.MaxPooling2D(2, name="pool"),
            layers.Dropout(0.25, name="dropout_1"),
            layers.Flatten(name="flatten"),
            layers.Dense(64, activation="relu", name="dense"),
            layers.Dropout(0.5, name="dropout_2"),
            layers.Dense(10, activation="softmax", name="digit"),
        ],
        name="digits",
    )


def main() -> int:
    """Train, export, check; 0 when the network is good and the exported file agrees with it."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "demo-output")
    folder.mkdir(parents=True, exist_ok=True)
    keras.utils.set_random_seed(1)
    (x_train, y_train), (x_test, y_test) = keras.datasets.digits.load_data()
    x_train, x_test = (x[..., np.newaxis].astype("float32") / 16 for x in (x_train, x_test))

    model = build_model()
    model.summary()
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    start = time.perf_counter()
    history = model.fit(x_train, y_train, batch_size=32, epochs=15, validation_data=(x_test, y_test))
    seconds = time.perf_counter() - start
    _, accuracy = model.evaluate(x_test, y_test, verbose=0)

    onnx_file = kgraph.export(model, folder / "digits.onnx")
    bundle = kgraph.export_training(model, folder / "digits-training")
    curves = keras.utils.plot_history(history, folder / "learning-curves.png")
    picture = keras.utils.plot_model(model, folder / "model.png", show_shapes=True)
    difference = compare_with_bare_onnxruntime(model, onnx_file, x_test)

    print(f"\nTrained in {seconds:.1f} s; {accuracy:.1%} of {len(x_test)} held-out digits are recognised.")
    print(f"A bare onnxruntime session agrees with model.predict to {difference:.1e}.\n")
    for path, what in {
        onnx_file: "the trained model, for any ONNX runtime",
        bundle: "the training bundle: goes on training with onnxruntime alone",
        curves: "the learning curves",
        picture: "the model",
    }.items():
        print(f"  {path}  {what}")
    return 0 if accuracy >= 0.97 and difference < 1e-4 else 1


def compare_with_bare_onnxruntime(model: keras.Model, path: Path, x: np.ndarray) -> float:
    """The largest difference between model.predict and the file run without kgraph."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {session.get_inputs()[0].name: x})
    return float(np.abs(found - model.predict(x)).max())


if __name__ == "__main__":
    raise SystemExit(main())
