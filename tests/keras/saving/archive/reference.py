"""Real Keras on JAX reads the files in a folder and writes its own.

`python -m tests.keras.saving.archive.reference DIR`
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np

if __name__ == "__main__":
    os.environ["KERAS_BACKEND"] = "jax"
    os.environ["JAX_PLATFORMS"] = "cpu"
    import keras

    from tests.keras.saving.archive.cases import exchange

    folder = Path(sys.argv[1])
    np.savez(folder / "keras.npz", **exchange(keras, keras.saving.load_model, folder, "keras", "kgraph"))
