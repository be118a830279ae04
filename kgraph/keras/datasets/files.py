"""Where the data sets come from: one declaration for each file, and how it gets into Keras's cache."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from kgraph.errors import FileError
from kgraph.keras.settings import keras_home
from kgraph.keras.utils.download import get_file

MIRROR = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/"
CIFAR = "https://www.cs.toronto.edu/~kriz/"


@dataclass(frozen=True)
class Remote:
    """A file of a data set: where it is, its hash, and its name in the cache.

    folder   where in the cache
    unpack   it is an archive, and what matters is the folder that it is unpacked to
    older    the name that Keras 2 gave it in the cache: what is there under that name is not downloaded again
    """

    url: str
    file_hash: str | None = None
    folder: str = "datasets"
    unpack: bool = False
    older: str | None = None


FILES: dict[str, Remote] = {
    "mnist.npz": Remote(
        f"{MIRROR}mnist.npz", "731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1"
    ),
    "imdb.npz": Remote(
        f"{MIRROR}imdb.npz", "69664113be75683a8fe16e3ed0ab59fda8886cb3cd7ada244f7d9544e4676b9f"
    ),
    "imdb_word_index.json": Remote(f"{MIRROR}imdb_word_index.json", "bfafd718b763782e994055a2d397834f"),
    "reuters.npz": Remote(
        f"{MIRROR}reuters.npz", "d6586e694ee56d7a4e65172e12b3e987c03096cb01eab99753921ef915959916"
    ),
    "reuters_word_index.json": Remote(f"{MIRROR}reuters_word_index.json", "4d44cc38712099c9e383dc6e5f11a921"),
    "boston_housing.npz": Remote(
        f"{MIRROR}boston_housing.npz", "f553886a1f8d56431e820c5b82552d9d95cfcb96d1e678153f8839538947dff5"
    ),
    "california_housing.npz": Remote(
        f"{MIRROR}california_housing.npz", "1a2e3a52e0398de6463aebe6f4a8da34fb21fbb6b934cf88c3425e766f2a1a6f"
    ),
    "cifar-10-batches-py-target": Remote(
        f"{CIFAR}cifar-10-python.tar.gz",
        "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce",
        unpack=True,
        older="cifar-10-batches-py.tar.gz",
    ),
    "cifar-100-python-target": Remote(
        f"{CIFAR}cifar-100-python.tar.gz",
        "85cd44d02ba6437773c5bbd22e183051d648de2e7d6b014e1ef29b855ba677a7",
        unpack=True,
        older="cifar-100-python.tar.gz",
    ),
    # Nobody publishes hashes for these four; their own headers and checksums say whether they are whole.
    **{
        name: Remote(f"{MIRROR}{name}", folder="datasets/fashion-mnist")
        for name in (
            "train-labels-idx1-ubyte.gz",
            "train-images-idx3-ubyte.gz",
            "t10k-labels-idx1-ubyte.gz",
            "t10k-images-idx3-ubyte.gz",
        )
    },
}
"""The files by the names that they have in the cache of Keras 3."""


def fetch(name: str, path: str | os.PathLike[str] | None = None) -> Path:
    """The path of a file in the cache, or of the folder that it was unpacked to. Downloads it if need be.

    path  another name in the cache, or an absolute path; the file is still the one with that hash

    Raises what `get_file` raises.
    """
    remote = FILES[name]
    given = Path(remote.folder, name if path is None else path)
    older = keras_home() / remote.folder / (remote.older or "")
    if older.is_file():  # copied only where the newer name is not there yet
        with suppress(FileError):  # another file, or a damaged one: download it after all
            return _get(given, remote, older.absolute().as_uri())
    return _get(given, remote, remote.url)


def _get(given: Path, remote: Remote, url: str) -> Path:
    return Path(
        get_file(
            given.name, url, file_hash=remote.file_hash, cache_subdir=given.parent, extract=remote.unpack
        )
    )
