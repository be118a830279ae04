"""Reading HDF5 without HDF5's library: what h5py wrote comes back, and everything else is one FileError."""

from __future__ import annotations

import io
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from kgraph.errors import FileError
from kgraph.keras.saving.hdf5.guard import Group, open_file
from tests.house.layout import ROOT
from tests.keras.saving.fuzz.variants import variant

RANDOM = np.random.default_rng(0)
NUMBERS = RANDOM.standard_normal((37, 5, 3)) * 100
VERSIONS = ["earliest", "v108", "v110", "latest"]


def image(write: Callable[[Any], None], version: str = "earliest", **arguments: Any) -> io.BytesIO:
    """The file that a function writes into an h5py file."""
    made = io.BytesIO()
    with h5py.File(made, "w", libver=(version, "latest"), **arguments) as file:
        write(file)
    made.seek(0)
    return made


@pytest.mark.parametrize(
    "dtype", ["f2", "f4", "f8", ">f4", "i1", "u1", "<i2", ">u2", "i4", "u4", "i8", ">i8", "?"]
)
@pytest.mark.parametrize("version", VERSIONS)
def test_arrays_of_every_type(dtype: str, version: str) -> None:
    array = (NUMBERS > 0) if dtype == "?" else np.abs(NUMBERS).astype(dtype)
    with open_file(image(lambda file: file.create_dataset("a/b", data=array), version)) as root:
        found = root.dataset("a/b")
        assert (found.dtype, found.shape, found.nbytes) == (array.dtype, array.shape, array.nbytes)
        np.testing.assert_array_equal(found.read(), array)
        for out in (np.empty(array.shape, "float32"), np.empty(array.shape[::-1], "float64").T):
            found.read_into(out)
            np.testing.assert_array_equal(out, array.astype(out.dtype))


@pytest.mark.parametrize(
    "packing",
    [
        {"chunks": (10, 5, 2)},
        {"chunks": (37, 5, 3)},
        {"chunks": True},
        {"chunks": (1, 1, 1)},
        {"chunks": (10, 2, 2), "compression": "gzip"},
        {"chunks": (10, 2, 2), "compression": "gzip", "shuffle": True, "fletcher32": True},
        {"shuffle": True, "chunks": (7, 5, 3)},
    ],
    ids=str,
)
def test_arrays_in_chunks(packing: dict[str, Any]) -> None:
    def write(file: Any) -> None:
        file.create_dataset("a", data=NUMBERS.astype("f4"), **packing)

    with open_file(image(write)) as root:
        np.testing.assert_array_equal(root.dataset("a").read(), NUMBERS.astype("f4"))


@pytest.mark.parametrize("shape", [(), (0,), (3, 0), (1,), (2,) * 20])
@pytest.mark.parametrize("version", VERSIONS)
def test_arrays_of_every_shape(shape: tuple[int, ...], version: str) -> None:
    array = RANDOM.standard_normal(shape)
    with open_file(image(lambda file: file.create_dataset("a", data=array), version)) as root:
        np.testing.assert_array_equal(root.dataset("a").read(), array)


def test_a_compact_array() -> None:
    def write(file: Any) -> None:
        plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plan.set_layout(h5py.h5d.COMPACT)
        made = h5py.h5d.create(file.id, b"a", h5py.h5t.IEEE_F32LE, h5py.h5s.create_simple((4,)), dcpl=plan)
        made.write(h5py.h5s.ALL, h5py.h5s.ALL, np.arange(4, dtype="f4"))

    with open_file(image(write)) as root:
        np.testing.assert_array_equal(root.dataset("a").read(), np.arange(4))


def test_groups_of_many_members() -> None:
    def write(file: Any) -> None:
        for i in range(1500):
            file.create_dataset(f"layers/layer_{i}/vars/0", data=np.float32(i))

    with open_file(image(write)) as root:
        names = root.group("layers").names()
        assert names == sorted(f"layer_{i}" for i in range(1500))
        for i in (0, 7, 1499):
            assert root.group("layers").dataset(f"layer_{i}/vars/0").read() == i
        assert "layers/layer_3/vars" in root
        assert "layers/layer_3/vars/1" not in root
        assert "layers/layer_3/vars/0/0" not in root
        assert "nothing/at/all" not in root


TEXTS: dict[str, tuple[Any, Any]] = {
    "text": ("grüße", "grüße"),
    "bytes": (b"abc", "abc"),
    "fixed": (np.bytes_("abc"), "abc"),
    "long": ("x" * 300_000, "x" * 300_000),
    "empty text": ("", ""),
    "names": ([b"a", b"bcd"], ["a", "bcd"]),
    "words": (["a", "bcd", "grüße"], ["a", "bcd", "grüße"]),
    "no names": ([], []),
    "fixed names": (np.array(["a", "bcd"], "S3"), ["a", "bcd"]),
}


@pytest.mark.parametrize("version", VERSIONS)
def test_attributes_of_text(version: str) -> None:
    def write(file: Any) -> None:
        group = file.create_group("g")
        for name, (value, _) in list(TEXTS.items())[:7]:
            group.attrs[name] = value
        for name, (value, _) in list(TEXTS.items())[7:]:
            file.attrs[name] = value

    with open_file(image(write, version)) as root:
        for name, (_, wanted) in TEXTS.items():
            group = root.group("g") if root.group("g").has_attribute(name) else root
            assert (group.text(name) if isinstance(wanted, str) else group.texts(name)) == wanted
        assert root.text("nothing") is None
        assert root.texts("nothing") is None


def test_attributes_of_other_things_are_there_but_are_no_text() -> None:
    def write(file: Any) -> None:
        file.attrs["number"] = 3
        file.attrs["numbers"] = np.arange(3)
        file.attrs["ragged"] = np.array([np.arange(2), np.arange(3)], h5py.vlen_dtype("int32"))
        file.attrs["record"] = np.zeros(2, [("a", "f4")])
        file.attrs["names"] = ["a", "b"]

    with open_file(image(write)) as root:
        for name in ("number", "numbers", "ragged", "record", "names"):
            assert root.has_attribute(name)
            with pytest.raises(FileError):
                root.text(name)
            if name != "names":
                with pytest.raises(FileError):
                    root.texts(name)


def test_what_h5py_has_open_can_be_read_too(tmp_path: Path) -> None:
    for arguments in ({}, {"driver": "core", "backing_store": False}):
        with h5py.File(tmp_path / "a.h5", "w", **arguments) as file:
            file["g/a"] = NUMBERS
            with open_file(file) as root, open_file(file["g"]) as group:
                np.testing.assert_array_equal(root.dataset("g/a").read(), NUMBERS)
                np.testing.assert_array_equal(group.dataset("a").read(), NUMBERS)


REFUSED: dict[str, tuple[Callable[[Any], Any], str]] = {
    "soft link": (lambda file: file.__setitem__("a", h5py.SoftLink("/b")), "link to another place"),
    "external link": (
        lambda file: file.__setitem__("a", h5py.ExternalLink("/etc/passwd", "/b")),
        "another file",
    ),
    "external data": (
        lambda file: file.create_dataset("a", (9,), "u1", external=[("/etc/passwd", 0, 9)]),
        "in another file",
    ),
    "virtual": (
        lambda file: file.create_virtual_dataset("a", h5py.VirtualLayout((3,), "f4")),
        "layout|virtual",
    ),
    "a type that is shared": (lambda file: _named_type(file), "share"),
    "text": (lambda file: file.create_dataset("a", data=["x"]), "array of text"),
    "references": (lambda file: file.create_dataset("a", data=[file.ref], dtype=h5py.ref_dtype), "reference"),
    "records": (lambda file: file.create_dataset("a", data=np.zeros(2, [("x", "f4")])), "record"),
    "complex": (lambda file: file.create_dataset("a", data=np.zeros(2, "c8")), "record|compound"),
    "ragged": (lambda file: file.create_dataset("a", (2,), h5py.vlen_dtype("f4")), "compound"),
    "an enumeration": (
        lambda file: file.create_dataset("a", (2,), h5py.enum_dtype({"OFF": 0, "ON": 1}, "u1")),
        "compound",
    ),
    "odd floats": (lambda file: _odd_float(file), "float"),
    "nothing": (lambda file: file.create_dataset("a", data=h5py.Empty("f4")), "nothing"),
    "LZF": (lambda file: file.create_dataset("a", data=NUMBERS, compression="lzf"), "filter 32000"),
    "not written": (lambda file: file.create_dataset("a", (6,), "f4"), "damaged"),
    "declared": (lambda file: file.create_dataset("a", (2**40,), "f4"), "more data|damaged"),
    "declared in chunks": (
        lambda file: file.create_dataset("a", (2**40,), "f4", chunks=(2**20,), compression="gzip"),
        "more data",
    ),
    "half of the chunks": (lambda file: _half(file), "chunks"),
    "zeros": (
        lambda file: file.create_dataset(
            "a", data=np.zeros(10**8, "u1"), compression="gzip", chunks=(10**7,)
        ),
        "more data",
    ),
    "a chunk larger than all": (
        lambda file: file.create_dataset("a", (3,), "f4", chunks=(2**29,), maxshape=(None,)),
        "chunks",
    ),
}


def _named_type(file: Any) -> None:
    file["type"] = np.dtype("f4")
    file.create_dataset("a", data=np.zeros(3, "f4"), dtype=file["type"])


def _odd_float(file: Any) -> None:
    kind = h5py.h5t.IEEE_F32LE.copy()
    kind.set_ebias(100)
    h5py.h5d.create(file.id, b"a", kind, h5py.h5s.create_simple((4,)))


def _half(file: Any) -> None:
    file.create_dataset("a", (100,), "f4", chunks=(50,))[:50] = 1


@pytest.mark.parametrize("case", REFUSED)
def test_what_leads_elsewhere_or_is_not_all_there_is_refused(case: str) -> None:
    write, says = REFUSED[case]
    with open_file(image(write)) as root, pytest.raises(FileError, match=says):
        root.dataset("a").read()


def test_a_plug_in_that_unpacks_is_not_asked_for() -> None:
    def write(file: Any) -> None:
        plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plan.set_chunk((6, 3))
        plan.set_filter(32015, h5py.h5z.FLAG_OPTIONAL, ())
        h5py.h5d.create(file.id, b"a", h5py.h5t.NATIVE_FLOAT, h5py.h5s.create_simple((6, 3)), dcpl=plan)

    with open_file(image(write)) as root, pytest.raises(FileError, match="filter 32015"):
        root.dataset("a")


@pytest.mark.parametrize("what", ["members", "attributes"])
def test_layouts_that_keras_does_not_write_are_named(what: str) -> None:
    def write(file: Any) -> None:
        for i in range(30):
            if what == "members":
                file.create_group(f"g{i}")
            else:
                file.attrs[f"a{i}"] = i

    with pytest.raises(FileError, match=f"many {what}"), open_file(image(write, "latest")) as root:
        root.names()


def test_a_group_within_itself_is_no_matter() -> None:
    with open_file(image(lambda file: file.__setitem__("a/b", file["/"]))) as root:
        assert root.group("a/b/a/b/a").names() == ["b"]


def everything(file: Any) -> None:
    """A small file with everything that is read."""
    file.attrs["text"], file.attrs["names"], file.attrs["fixed"] = "grüße", [b"a", b"bc"], np.bytes_("abc")
    file.create_dataset("g/plain", data=np.arange(6.0))
    file.create_dataset("g/bool", data=np.array([True, False]))
    file.create_dataset(
        "g/chunks", data=np.arange(60).reshape(6, 10), chunks=(4, 4), compression="gzip", shuffle=True
    )
    for i in range(12):
        file.create_group(f"many/{i}")


def read_all(root: Group) -> None:
    for name in ("text", "fixed"):
        root.text(name)
    root.texts("names")
    for name in root.names():
        if name in ("g", "many"):
            for inner in root.group(name).names():
                if name == "g":
                    root.group(name).dataset(inner).read()
                else:
                    root.group(f"{name}/{inner}").names()


@pytest.mark.parametrize("version", ["earliest", "v108"])
@pytest.mark.parametrize("seed", range(8))
def test_every_variant_of_a_file_reads_or_is_refused(version: str, seed: int) -> None:
    whole = image(
        everything if version == "earliest" else lambda file: file.create_dataset("g/a", data=[1.0]), version
    )
    rng, outcomes = random.Random(seed), set()
    for _ in range(150):
        try:
            with open_file(io.BytesIO(variant(whole.getvalue(), rng))) as root:
                read_all(root)
            outcomes.add("read")
        except FileError:
            outcomes.add("refused")
    assert outcomes == {"read", "refused"}


def test_reading_does_not_load_h5py(tmp_path: Path) -> None:
    (tmp_path / "a.h5").write_bytes(image(everything).getvalue())
    program = (
        "import sys; from kgraph.keras.saving.hdf5.guard import open_file\n"
        "with open_file(sys.argv[1]) as root: root.dataset('g/chunks').read()\n"
        "print('h5py' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "a.h5")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "False"
