"""H5Dict: what is put into a file, a group or a dict comes back, and nothing from elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from kgraph.errors import ArgumentError, ArgumentTypeError, FileError
from kgraph.keras.utils import H5Dict


def entries() -> dict[str, Any]:
    return {
        "array": np.arange(6.0).reshape(2, 3),
        "number": np.float32(2.5),
        "text": "naïve",
        "bytes": b"\x01raw",
        "bytes that end with zero": b"\x01raw\0",
        "names": ["kernel", "bias"],
        "integer": 3,
    }


def comparable(value: Any) -> Any:
    if isinstance(value, list):
        return [entry.decode() if isinstance(entry, bytes) else entry for entry in value]
    return np.asarray(value).tolist()


@pytest.mark.parametrize("kind", ["file", "group", "dict"])
def test_round_trip(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "data.h5"
    opened = h5py.File(path, "w") if kind == "group" else None
    target: Any = {} if kind == "dict" else opened.create_group("inner") if opened is not None else path
    with H5Dict(target, "w" if kind == "dict" else "a") as writer:
        for name, value in entries().items():
            writer[name] = value
        writer["model"]["layer"]["kernel"] = np.eye(2)
        writer.update({"more": 1})
    with H5Dict(target, "r") as reader:
        for name, value in entries().items():
            assert comparable(reader[name]) == comparable(value), name
        np.testing.assert_array_equal(reader["model"]["layer"]["kernel"], np.eye(2))
        assert reader[b"array"].dtype == np.float64
        assert "model" in reader
        assert b"integer" in reader
        assert "none" not in reader
        assert reader.get("more") == 1
        assert reader.get("none", 5) == 5
        assert set(reader) >= {"array", "model"}
        assert len(reader) == len(reader.keys()) == len(list(reader.iter()))
        with pytest.raises(ArgumentError, match="cannot be written"):
            reader["none"]
        with pytest.raises(ArgumentError, match="cannot be written"):
            reader["array"] = 3
    if opened is not None:
        opened.close()


def test_long_lists_go_in_pieces_as_in_model_files(tmp_path: Path) -> None:
    names = [f"layer_{number:05}" for number in range(12000)]
    with H5Dict(tmp_path / "data.h5") as writer:
        writer["names"] = names
        with pytest.raises(ArgumentError, match="too long"):
            writer["long"] = ["x" * 70000]
    with h5py.File(tmp_path / "data.h5") as file:
        assert set(file.attrs) == {"names0", "names1", "names2"}
    with H5Dict(str(tmp_path / "data.h5"), mode="r") as reader:
        assert reader["names"] == names


def test_what_is_there_stays(tmp_path: Path) -> None:
    with H5Dict(tmp_path / "data.h5") as writer:
        writer["a"]["b"] = np.zeros(2)
        with pytest.raises(ArgumentError, match="there already"):
            writer["a"] = np.ones(2)


def test_other_things_than_files(tmp_path: Path) -> None:
    assert H5Dict.is_supported_type({})
    assert not H5Dict.is_supported_type(3)
    with pytest.raises(ArgumentTypeError):
        H5Dict(3)
    with pytest.raises(FileNotFoundError):
        H5Dict(tmp_path / "none.h5", "r")
    with pytest.raises(ArgumentError, match="bad mode"):
        H5Dict(tmp_path / "none.h5", "rw")
    (tmp_path / "text.h5").write_text("text")
    with pytest.raises(FileError, match="an HDF5 file"):
        H5Dict(tmp_path / "text.h5")


def test_nothing_is_read_from_other_files(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(bytes(16))
    with h5py.File(tmp_path / "data.h5", "w") as file:
        file["link"] = h5py.ExternalLink("other.h5", "/x")
        file["soft"] = h5py.SoftLink("/array")
        file.create_dataset("outside", (2,), "f8", external=[(str(tmp_path / "secret"), 0, 16)])
        layout = h5py.VirtualLayout((2,), "f8")
        layout[:] = h5py.VirtualSource(str(tmp_path / "other.h5"), "x", (2,))
        file.create_virtual_dataset("virtual", layout)
        file["array"] = np.zeros(2)
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x"] = np.ones(2)
    with H5Dict(tmp_path / "data.h5", "r") as reader:
        for name in ("link", "soft", "outside", "virtual"):
            with pytest.raises(FileError, match="leads elsewhere"):
                reader[name]
