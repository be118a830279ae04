"""What a model needs to go on exactly where it stood, beyond what Keras writes: plain data for a file of any kind.

    {"format": 1, "random_state": [seed, counter], "layer_states": [array, …]}

The random state decides shuffles, dropout masks and all other noise to come; layer states are those of stateful
layers. Metrics are not in it: an epoch starts them anew. Arrays are {"dtype", "shape", "data"}, little-endian bytes in
base64, so the whole may be larger than what HDF5 puts into one attribute. Keras leaves all of it alone.
"""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from kgraph.errors import FileError, describe
from kgraph.ir import graph as ir
from kgraph.ir.types import Array

FORMAT = 1


def extra_state(model: Any) -> dict[str, Any]:
    """The state of a model that its file must hold beside its weights; empty where there is none."""
    state: dict[str, Any] = {}
    rng = model._random_state
    if rng is not None:
        state["random_state"] = rng.numpy().tolist()
    states = layer_states(model)
    if states:
        state["layer_states"] = [encode_array(variable.storage.read()) for variable in states]
    return {"format": FORMAT, **state} if state else {}


def restore_extra_state(model: Any, state: Any) -> None:
    """Put a model, compiled already if it is to be trained, where `extra_state` found it.

    States of layers that do not fit the model, as after a change of the batch size, are left out.
    Raises FileError for what `extra_state` does not write.
    """
    if not state:
        return
    found = _checked(state)
    rng = model._random_state
    if rng is not None and "random_state" in found:
        rng.variable.storage.write(np.array(found["random_state"], "uint32"))
    arrays = [decode_array(entry) for entry in found.get("layer_states", ())]
    variables = layer_states(model)
    if [array.shape for array in arrays] == [variable.type.static_shape for variable in variables]:
        for variable, array in zip(variables, arrays, strict=True):
            variable.storage.write(array)


def layer_states(model: Any) -> list[ir.Variable]:
    """What stateful layers carry from batch to batch, in the order of the layers."""
    weights = {weight.variable for weight in model.weights}
    return list(dict.fromkeys(variable for variable, _ in model.state_updates if variable not in weights))


def encode_array(array: Array) -> dict[str, Any]:
    """An array of numbers as plain data."""
    little = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    return {
        "dtype": array.dtype.name,
        "shape": list(array.shape),
        "data": base64.b64encode(little.tobytes()).decode("ascii"),
    }


def decode_array(entry: Any) -> Array:
    """The array that `encode_array` was given. Raises FileError for anything else."""
    if not isinstance(entry, Mapping):
        raise _unknown("an array with dtype, shape and data", entry)
    name, shape, text = entry.get("dtype"), entry.get("shape"), entry.get("data")
    if not (isinstance(name, str) and _are_naturals(shape) and isinstance(text, str)):
        raise _unknown("an array with dtype, shape and data", entry)
    try:
        dtype, data = np.dtype(name), base64.b64decode(text, validate=True)
    except (TypeError, binascii.Error) as error:
        raise _unknown("an array of numbers in base64", error) from None
    if dtype.kind not in "fiub" or math.prod(shape) * dtype.itemsize != len(data):
        raise _unknown(f"{name} of shape {shape}", f"{len(data)} bytes")
    return np.frombuffer(data, dtype.newbyteorder("<")).reshape(shape).astype(dtype)


def _checked(state: Any) -> Mapping[str, Any]:
    if not isinstance(state, Mapping) or state.get("format") != FORMAT:
        raise _unknown(f"a mapping of format {FORMAT}", state)
    numbers, states = state.get("random_state", [0, 0]), state.get("layer_states", [])
    if not (_are_naturals(numbers) and len(numbers) == 2 and max(numbers) < 2**32):
        raise _unknown("random_state: two numbers of 32 bits", numbers)
    if not isinstance(states, list):
        raise _unknown("layer_states: a list", states)
    return state


def _are_naturals(value: Any) -> bool:
    return isinstance(value, Sequence) and all(type(number) is int and number >= 0 for number in value)


def _unknown(expected: str, got: Any) -> FileError:
    return FileError(
        describe("the file's state of training cannot be read", expected=expected, got=repr(got)[:200])
    )
