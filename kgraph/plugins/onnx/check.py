"""Running an ONNX file as a stranger would: a bare session of onnxruntime."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kgraph.errors import BackendError, DataError, FileError, describe
from kgraph.ir.types import Array
from kgraph.plugins.onnx.device import Device


def run_model(path: str, inputs: Sequence[Array]) -> list[Array]:
    """The outputs of a file for inputs in the order it declares them.

    Raises FileError when onnxruntime cannot load it.
    """
    session = open_session(path)
    names = [leaf.name for leaf in session.get_inputs()]
    return list(session.run(None, dict(zip(names, inputs, strict=True))))


def open_session(path: str, device: Device | None = None) -> Any:
    """A session for a file, on the CPU unless told otherwise.

    Raises FileNotFoundError, FileError when onnxruntime cannot load it.
    """
    import onnxruntime

    if not Path(path).is_file():
        raise FileNotFoundError(f"no such file: {path}")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what fails is raised; the log would say it a second time
    options.add_session_config_entry("session.set_denormal_as_zero", "1")  # as in session.py
    try:
        return onnxruntime.InferenceSession(path, options, providers=(device or Device()).providers())
    except Exception as error:
        raise FileError(describe("onnxruntime cannot load the file", got=error, where=path)) from error


def run_by_name(path: str, arrays: Mapping[str, Array], device: Device | None = None) -> dict[str, Array]:
    """The outputs of a file, by name, for arrays by name. One array for one input needs no name.

    Raises FileNotFoundError and FileError as `open_session`, DataError when the arrays are not those it takes,
    BackendError when the run fails.
    """
    session = open_session(path, device)
    try:
        leaves = [(leaf.name, leaf.type, list(leaf.shape)) for leaf in session.get_inputs()]
        outputs = [leaf.name for leaf in session.get_outputs()]
    except UnicodeDecodeError as error:
        raise FileError(describe("a name in the file is no text", got=error, where=path)) from error
    names = [name for name, _, _ in leaves]
    given = dict(zip(names, arrays.values(), strict=True)) if len(arrays) == len(names) == 1 else dict(arrays)
    if set(given) != set(names):
        raise DataError(
            describe(
                "the arrays are not the inputs", expected=", ".join(names), got=", ".join(given) or "none"
            )
        )
    feeds = {name: _fit(name, kind, shape, given[name]) for name, kind, shape in leaves}
    try:
        return dict(zip(outputs, session.run(None, feeds), strict=True))
    except Exception as error:
        raise BackendError(describe("onnxruntime failed", got=error, where=path)) from error


def _fit(name: str, kind: str, shape: list[Any], array: Array) -> Array:
    """An array in the type that an input has; numbers may only lose precision."""
    wanted = _DTYPES.get(kind, "")
    sizes = [size if isinstance(size, int) else None for size in shape]
    fits = len(sizes) == array.ndim and all(
        size in (None, length) for size, length in zip(sizes, array.shape, strict=True)
    )
    if not wanted or not fits or not np.can_cast(array.dtype, wanted, "same_kind"):
        raise DataError(
            describe(
                f"input {name!r} does not fit",
                expected=f"{wanted or kind}[{', '.join(map(str, shape))}]",
                got=f"{array.dtype}{list(array.shape)}",
            )
        )
    return np.ascontiguousarray(array, dtype=wanted).reshape(array.shape)


_DTYPES = {
    "tensor(float)": "float32",
    "tensor(float16)": "float16",
    "tensor(double)": "float64",
    "tensor(bool)": "bool",
    **{f"tensor({sign}int{bits})": f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)},
}
"""onnxruntime's names of types as NumPy's."""
