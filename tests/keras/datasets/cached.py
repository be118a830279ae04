"""Small files in the formats of the real ones, put where the cache has them, their own hashes in the declarations."""

from __future__ import annotations

import gzip
import hashlib
import importlib
import io
import json
import pickle
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kgraph.keras.datasets import files
from tests.oracle import keras


@dataclass
class Cache:
    """A Keras folder for one test. What isn't in it can't be had: no URL leads anywhere."""

    home: Path
    patch: pytest.MonkeyPatch

    def put(self, name: str, data: bytes, place: str | None = None) -> Path:
        """Put a file in the cache, and declare that it is the one asked for."""
        remote = files.FILES[name]
        file = self.home / remote.folder / (place or (f"{name}_archive" if remote.unpack else name))
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
        digest = remote.file_hash and hashlib.sha256(data).hexdigest()
        self.patch.setitem(files.FILES, name, replace(remote, file_hash=digest, url="file:///nowhere"))
        return file

    def real(self, module: str) -> Any:
        """The same data set of real Keras, which finds its files where `put` has left them, and checks no hash."""
        keras()
        found = importlib.import_module(f"keras.src.datasets.{module}")

        def get_file(fname: str, *args: Any, cache_subdir: str = "datasets", **kwargs: Any) -> str:
            return str(self.home / cache_subdir / fname)

        self.patch.setattr(found, "get_file", get_file)
        return found


def npz(**arrays: Any) -> bytes:
    stream = io.BytesIO()
    np.savez_compressed(stream, **arrays)
    return stream.getvalue()


def ragged(*lists: Any) -> np.ndarray:
    """An array of objects with one axis."""
    array = np.empty(len(lists), object)
    for index, entry in enumerate(lists):
        array[index] = entry
    return array


def texts(count: int, random: np.random.RandomState) -> np.ndarray:
    """Texts of 1 to 30 words, most of which are frequent."""
    return ragged(*((random.zipf(1.4, random.randint(1, 31)) % 500 + 1).tolist() for _ in range(count)))


def idx(array: np.ndarray) -> bytes:
    header = bytes((0, 0, 8, array.ndim)) + np.asarray(array.shape, ">u4").tobytes()
    return gzip.compress(header + array.tobytes())


def pickled(batch: Mapping[str, Any], protocol: int) -> bytes:
    """A dict as Python 3 pickles it, its keys as bytes."""
    return pickle.dumps({key.encode(): value for key, value in batch.items()}, protocol)


def as_python_2(batch: Mapping[str, Any]) -> bytes:
    """A dict as Python 2 and NumPy 1 pickled it: its keys, and the bytes of its arrays, are byte strings."""

    def byte_string(pickler: Any, data: bytes) -> None:
        pickler.write(pickle.BINSTRING + len(data).to_bytes(4, "little") + data)
        pickler.memoize(data)

    stream = io.BytesIO()
    pickler = pickle._Pickler(stream, 2)  # the one in Python, in which a type can be given another form
    pickler.dispatch = {**pickler.dispatch, bytes: byte_string}
    pickler.dump({key.encode(): value for key, value in batch.items()})
    return stream.getvalue().replace(b"numpy._core.multiarray", b"numpy.core.multiarray")


def archive(**entries: bytes) -> bytes:
    """A compressed tar file; two underscores in a name stand for a slash, one for itself and - for nothing else."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as tar:
        for name, data in entries.items():
            info = tarfile.TarInfo(name.replace("__", "/"))
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return stream.getvalue()


def as_json(value: Any) -> bytes:
    return json.dumps(value).encode()


def assert_same(found: Any, wanted: Any) -> None:
    """((x, y), (x, y)) twice: the same values in the same dtypes."""
    for mine, theirs in zip(flat(found), flat(wanted), strict=True):
        assert mine.dtype == theirs.dtype
        assert mine.shape == theirs.shape
        np.testing.assert_array_equal(mine, theirs)


def flat(parts: Any) -> list[np.ndarray]:
    return [array for part in parts for array in part]
