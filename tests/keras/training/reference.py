"""Trains every case with real Keras on JAX and writes the results: `python -m tests.keras.training.reference FILE`."""

from __future__ import annotations

import os
import sys

import numpy as np

if __name__ == "__main__":
    os.environ["KERAS_BACKEND"] = "jax"
    os.environ["JAX_PLATFORMS"] = "cpu"
    import keras

    from tests.keras.training.cases import MODELS, OPTIMIZERS, train

    results = {
        f"{model}/{optimizer}/{number:02d}": array
        for model in MODELS
        for optimizer in OPTIMIZERS
        for number, array in enumerate(train(keras, model, optimizer))
    }
    np.savez(sys.argv[1], **results)
