"""The data sets of Keras: from the same files the same arrays as real Keras, and nothing from files that mean harm."""

from __future__ import annotations

import gzip
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kgraph.errors import ArgumentError, DataError, DownloadError, FileError
from kgraph.keras import backend as K
from kgraph.keras import datasets
from tests.keras.datasets.cached import (
    Cache,
    archive,
    as_json,
    as_python_2,
    assert_same,
    flat,
    idx,
    npz,
    pickled,
    ragged,
    texts,
)
from tests.oracle import needs_keras

CIFAR10, CIFAR100 = "cifar-10-batches-py-target", "cifar-100-python-target"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cache:
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "home"))
    return Cache(tmp_path / "home", monkeypatch)


@pytest.fixture
def random() -> np.random.RandomState:
    return np.random.RandomState(7)


@pytest.fixture(params=["channels_last", "channels_first"])
def data_format(request: pytest.FixtureRequest) -> Iterator[str]:
    before = K.image_data_format()
    K.set_image_data_format(request.param)
    yield request.param
    K.set_image_data_format(before)


def pictures(count: int, random: np.random.RandomState) -> tuple[np.ndarray, np.ndarray]:
    return random.randint(256, size=(count, 28, 28)).astype("u1"), random.randint(10, size=count).astype("u1")


@needs_keras
def test_mnist(cache: Cache, random: np.random.RandomState) -> None:
    (x_train, y_train), (x_test, y_test) = pictures(12, random), pictures(5, random)
    cache.put(
        "mnist.npz", npz(x_train=x_train, y_train=y_train, x_test=np.asfortranarray(x_test), y_test=y_test)
    )
    found = datasets.mnist.load_data()
    assert_same(found, ((x_train, y_train), (x_test, y_test)))
    assert_same(found, cache.real("mnist").load_data())


def test_a_name_or_a_path_of_ones_own(cache: Cache, random: np.random.RandomState, tmp_path: Path) -> None:
    x, y = pictures(3, random)
    file = cache.put("mnist.npz", npz(x_train=x, y_train=y, x_test=x, y_test=y), "mine.npz")
    wanted = ((x, y), (x, y))
    assert_same(datasets.mnist.load_data("mine.npz"), wanted)
    assert_same(datasets.mnist.load_data(path=file), wanted)
    with pytest.raises(DownloadError):
        datasets.mnist.load_data()


@needs_keras
def test_fashion_mnist(cache: Cache, random: np.random.RandomState) -> None:
    wanted = pictures(12, random), pictures(5, random)
    for part, (x, y) in zip(("train", "t10k"), wanted, strict=True):
        cache.put(f"{part}-images-idx3-ubyte.gz", idx(x))
        cache.put(f"{part}-labels-idx1-ubyte.gz", idx(y))
    found = datasets.fashion_mnist.load_data()
    assert_same(found, wanted)
    assert_same(found, cache.real("fashion_mnist").load_data())


def cifar_batch(count: int, random: np.random.RandomState, *labels: str) -> dict[str, Any]:
    x = random.randint(256, size=(count, 3 * 32 * 32)).astype("u1")
    names = {label: random.randint(10, size=count).tolist() for label in labels}
    return {"batch_label": b"of a test", "data": x, "filenames": [b"a.png"] * count, **names}


@needs_keras
def test_cifar10(cache: Cache, random: np.random.RandomState, data_format: str) -> None:
    names = [
        f"cifar-10-batches-py__{name}" for name in (*(f"data_batch_{n}" for n in range(1, 6)), "test_batch")
    ]
    batches = [as_python_2(cifar_batch(4, random, "labels")) for _ in names]
    cache.put(CIFAR10, archive(**dict(zip(names, batches, strict=True))))
    (x_train, y_train), (x_test, y_test) = datasets.cifar10.load_data()
    # Keras's load_data takes batches of 10000 only; what it reads one by one can be compared.
    folder = cache.home / "datasets" / CIFAR10 / "cifar-10-batches-py"
    read = [cache.real("cifar10").load_batch(folder / name.partition("__")[2]) for name in names]
    xs = np.concatenate([x for x, _ in read])
    xs = xs.transpose(0, 2, 3, 1) if data_format == "channels_last" else xs
    ys = np.concatenate([y for _, y in read])[:, None].astype("u1")
    assert_same(((x_train, y_train), (x_test, y_test)), ((xs[:20], ys[:20]), (xs[20:], ys[20:])))


@needs_keras
@pytest.mark.parametrize("mode", ["fine", "coarse"])
def test_cifar100(cache: Cache, random: np.random.RandomState, data_format: str, mode: str) -> None:
    train, test = (as_python_2(cifar_batch(n, random, "fine_labels", "coarse_labels")) for n in (6, 3))
    cache.put(CIFAR100, archive(**{"cifar-100-python__train": train, "cifar-100-python__test": test}))
    found = datasets.cifar100.load_data(mode)
    cache.patch.setattr("keras.src.backend.image_data_format", lambda: data_format)
    assert_same(found, cache.real("cifar100").load_data(mode))
    with pytest.raises(ArgumentError, match="label_mode"):
        datasets.cifar100.load_data("both")


@pytest.mark.parametrize("protocol", range(5))
def test_every_protocol_of_pickle(cache: Cache, random: np.random.RandomState, protocol: int) -> None:
    batch = cifar_batch(2, random, "fine_labels")
    data = pickled(batch, protocol)
    cache.put(CIFAR100, archive(**{"cifar-100-python__train": data, "cifar-100-python__test": data}))
    (x, y), _ = datasets.cifar100.load_data()
    np.testing.assert_array_equal(x, batch["data"].reshape(2, 3, 32, 32).transpose(0, 2, 3, 1))
    assert y.ravel().tolist() == batch["fine_labels"]


def test_an_archive_that_keras_2_cached(cache: Cache, random: np.random.RandomState) -> None:
    batch = as_python_2(cifar_batch(2, random, "fine_labels"))
    data = archive(**{"cifar-100-python__train": batch, "cifar-100-python__test": batch})
    cache.put(CIFAR100, data, "cifar-100-python.tar.gz")
    assert datasets.cifar100.load_data()[0][0].shape == (2, 32, 32, 3)


def test_a_damaged_archive_of_keras_2_is_passed_over(cache: Cache) -> None:
    cache.put(CIFAR100, b"whole", "cifar-100-python.tar.gz").write_bytes(b"damaged")
    with pytest.raises(DownloadError):
        datasets.cifar100.load_data()


OPTIONS: list[dict[str, Any]] = [
    {},
    {"num_words": 20},
    {"num_words": 20, "skip_top": 3, "oov_char": None},
    {"skip_top": 5, "oov_char": 0},
    {"maxlen": 12, "seed": 1},
    {"start_char": None},
    {"start_char": None, "index_from": 0, "maxlen": 20},
    {"start_char": 7, "index_from": 0, "num_words": 9},
]


def put_imdb(cache: Cache, random: np.random.RandomState) -> None:
    y = random.randint(2, size=70)
    cache.put(
        "imdb.npz", npz(x_train=texts(40, random), y_train=y[:40], x_test=texts(30, random), y_test=y[40:])
    )


@needs_keras
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_imdb(cache: Cache, random: np.random.RandomState, options: dict[str, Any]) -> None:
    put_imdb(cache, random)
    assert_same(datasets.imdb.load_data(**options), cache.real("imdb").load_data(**options))


@needs_keras
@pytest.mark.parametrize("options", [*OPTIONS, {"test_split": 0.5, "seed": 3}, {"test_split": 0}], ids=str)
def test_reuters(cache: Cache, random: np.random.RandomState, options: dict[str, Any]) -> None:
    cache.put("reuters.npz", npz(x=texts(60, random), y=random.randint(46, size=60)))
    real = cache.real("reuters")
    assert_same(datasets.reuters.load_data(**options), real.load_data(**options))
    assert datasets.reuters.get_label_names() == real.get_label_names()


def test_texts_are_lists_of_python_integers(cache: Cache, random: np.random.RandomState) -> None:
    put_imdb(cache, random)
    x = datasets.imdb.load_data(num_words=50)[0][0]
    assert x.dtype == object
    assert {type(text) for text in x} == {list}
    assert {type(word) for text in x for word in text} == {int}


def test_texts_of_one_length_stay_lists(cache: Cache) -> None:
    cache.put("reuters.npz", npz(x=ragged([1, 2], [3, 4]), y=np.arange(2)))
    (x, _), _ = datasets.reuters.load_data(test_split=0, num_words=10)
    assert x.shape == (2,)
    assert sorted(x) == [[1, 4, 5], [1, 6, 7]]


def test_no_text_is_short_enough(cache: Cache, random: np.random.RandomState) -> None:
    put_imdb(cache, random)
    with pytest.raises(DataError, match="maxlen above"):
        datasets.imdb.load_data(maxlen=1)


def test_the_spelling_of_keras_1(cache: Cache, random: np.random.RandomState) -> None:
    put_imdb(cache, random)
    with pytest.warns(DeprecationWarning, match="num_words"):
        older = datasets.imdb.load_data(nb_words=20)
    assert_same(older, datasets.imdb.load_data(num_words=20))


@pytest.mark.parametrize("module", ["imdb", "reuters"])
def test_word_index(cache: Cache, module: str) -> None:
    load = getattr(datasets, module).get_word_index
    cache.put(f"{module}_word_index.json", as_json({"the": 1, "naïve": 2}))
    assert load() == {"the": 1, "naïve": 2}
    cache.put(f"{module}_word_index.json", as_json(["the"]))
    with pytest.raises(FileError, match="integers by word"):
        load()


@needs_keras
@pytest.mark.parametrize("module", ["boston_housing", "california_housing"])
@pytest.mark.parametrize("options", [{}, {"test_split": 0.3, "seed": 5}, {"test_split": 0}], ids=str)
def test_tables(cache: Cache, random: np.random.RandomState, module: str, options: dict[str, Any]) -> None:
    cache.put(f"{module}.npz", npz(x=random.random((700, 8)).astype("f4"), y=random.random(700)))
    load, real = getattr(datasets, module).load_data, cache.real(module).load_data
    assert_same(load(**options), real(**options))
    if module == "california_housing":
        assert_same(load("small", **options), real("small", **options))
        with pytest.raises(ArgumentError, match="version"):
            load("tiny")
    with pytest.raises(ArgumentError, match="test_split"):
        load(test_split=1)


def test_another_file_than_declared_is_not_read(cache: Cache, random: np.random.RandomState) -> None:
    x, y = pictures(3, random)
    file = cache.put("mnist.npz", npz(x_train=x, y_train=y, x_test=x, y_test=y))
    file.write_bytes(npz(x_train=y, y_train=x, x_test=x, y_test=y))
    with pytest.raises(DownloadError):
        datasets.mnist.load_data()


# -- files that mean harm


class Call:
    """Unpickles as a call."""

    def __init__(self, function: Any, *arguments: Any, state: Any = None) -> None:
        self.reduced = (function, arguments) if state is None else (function, arguments, state)

    def __reduce__(self) -> Any:
        return self.reduced


def reshaped(**changes: Any) -> Any:
    """An array of which the pickle says something else than it has."""
    function, arguments, state = np.arange(4, dtype="u1").__reduce__()
    version, shape, dtype, fortran, data = state
    entries = {"shape": shape, "dtype": dtype, "fortran": fortran, "data": data, **changes}
    return Call(function, *arguments, state=(version, *entries.values()))


HOSTILE: dict[str, Any] = {
    "a program": Call(exec, "raise SystemExit('run')"),
    "a function of NumPy": Call(np.fromfile, "/etc/passwd"),
    "an array that was never filled": Call(np.ndarray, (1 << 40,)),
    "more than the bytes": reshaped(shape=(1 << 40,)),
    "fewer than nothing": reshaped(shape=(-4,)),
    "objects": reshaped(dtype=np.dtype("O"), data=b"\x10" * 32),
    "a structure": reshaped(dtype=np.dtype("u1,u1")),
    "no bytes": reshaped(data=[1, 2, 3, 4]),
    "a dtype alone": np.dtype("f4"),
    "text": "text",
}


@pytest.mark.parametrize("entry", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("place", ["data", "x"])
def test_hostile_pickles(cache: Cache, entry: Any, place: str) -> None:
    if place == "data":
        batch = pickle.dumps({b"data": entry, b"fine_labels": [1]}, 2)
        cache.put(CIFAR100, archive(**{"cifar-100-python__train": batch, "cifar-100-python__test": batch}))
        load: Any = datasets.cifar100.load_data
    else:
        cache.put("reuters.npz", npz(x=ragged([1], entry), y=np.arange(2)))
        load = datasets.reuters.load_data
    with pytest.raises(FileError, match="of a data set") as caught:
        load()
    assert str(cache.home) in str(caught.value)


BYTES = {
    "nothing": b"",
    "no pickle": b"\x00\x01",
    "a pickle cut short": pickle.dumps({b"data": 1})[:-3],
    "an item of nothing": b"\x80\x02h\x07.",
    "state for a name": b"\x80\x02cnumpy\ndtype\n}b.",
    "a class that is none": b"\x80\x02cnumpy\ndtype\n)\x81.",
    "an extension": b"\x80\x02\x82\x01.",
    "a list": pickle.dumps([1]),
}


@pytest.mark.parametrize("data", BYTES.values(), ids=BYTES)
def test_damaged_pickles(cache: Cache, data: bytes) -> None:
    cache.put(CIFAR100, archive(**{"cifar-100-python__train": data, "cifar-100-python__test": data}))
    with pytest.raises(FileError, match="damaged or hostile"):
        datasets.cifar100.load_data()


def test_a_file_does_not_change_how_the_next_one_is_read(cache: Cache, random: np.random.RandomState) -> None:
    harm = b"\x80\x02cnumpy.core.multiarray\n_reconstruct\nN}X\x08\x00\x00\x00__call__Ns\x86b."
    cache.put(CIFAR100, archive(**{"cifar-100-python__train": harm}))
    with pytest.raises(FileError):
        datasets.cifar100.load_data()
    test_an_archive_that_keras_2_cached(cache, random)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no gzip",
        idx(np.zeros((2, 28, 28), "u1")),
        idx(np.zeros(9, "u1"))[:-9],
        idx(np.broadcast_to(np.uint8(0), (0,))) + b"more",
    ],
    ids=["nothing", "no gzip", "images", "cut short", "more after the end"],
)
def test_damaged_labels(cache: Cache, random: np.random.RandomState, data: bytes) -> None:
    cache.put("train-images-idx3-ubyte.gz", idx(pictures(2, random)[0]))
    cache.put("train-labels-idx1-ubyte.gz", data)
    with pytest.raises(FileError, match=r"train-labels-idx1-ubyte\.gz"):
        datasets.fashion_mnist.load_data()


def test_images_larger_than_any(cache: Cache) -> None:
    header = bytes((0, 0, 8, 3)) + np.asarray((1 << 20, 28, 28), ">u4").tobytes()
    cache.put("train-images-idx3-ubyte.gz", gzip.compress(header))
    with pytest.raises(FileError, match="more than"):
        datasets.fashion_mnist.load_data()


@pytest.mark.parametrize(
    "arrays",
    [
        {"x": np.zeros(3)},
        {"x": np.zeros(3, "u1,u1"), "y": np.zeros(3)},
        {"x": np.zeros(3, "M8[s]"), "y": np.zeros(3)},
        {"x": ragged({}), "y": np.zeros(1)},
        {"x": ragged([1.5]), "y": np.zeros(1)},
        {"x": ragged([1 << 80]), "y": np.zeros(1)},
    ],
    ids=["one is missing", "structures", "dates", "dicts", "fractions", "too large"],
)
def test_other_arrays_than_texts(cache: Cache, arrays: dict[str, Any]) -> None:
    cache.put("reuters.npz", npz(**arrays))
    with pytest.raises(FileError):
        datasets.reuters.load_data()


def test_every_array_is_writable(cache: Cache, random: np.random.RandomState) -> None:
    x, y = pictures(3, random)
    cache.put("mnist.npz", npz(x_train=x, y_train=y, x_test=x, y_test=y))
    assert all(array.flags.writeable for array in flat(datasets.mnist.load_data()))
