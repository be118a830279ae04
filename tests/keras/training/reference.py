"""Trains every case with real Keras on JAX and writes the results: `python -m tests.keras.training.reference FILE`."""

from __future__ import annotations

import os
import sys

import numpy as np

if __name__ == "__main__":
    os.environ["KERAS_BACKEND"] = "jax"
    os.environ["JAX_PLATFORMS"] = "cpu"
    import keras

    from tests.keras.training import cases, mixed, streams

    results = {
        f"{model}/{optimizer}/{number:02d}": array
        for model in cases.MODELS
        for optimizer in cases.OPTIMIZERS
        for number, array in enumerate(cases.train(keras, model, optimizer))
    }
    results |= {
        f"{case}/{number:02d}": array
        for module in (streams, mixed)
        for case in module.CASES
        for number, array in enumerate(module.train(keras, case))
    }
    np.savez(sys.argv[1], **results)
