"""`Iterator`: images by batches in an order that a seed can fix, and what those of arrays and of files share."""

from __future__ import annotations

import os
import threading
from math import ceil
from typing import Any

import numpy as np
from numpy.random import RandomState
from numpy.typing import NDArray

from kgraph.errors import ArgumentError, DataError, UnsupportedError, describe
from kgraph.keras.preprocessing.checks import one_of, seed_number, whole_number
from kgraph.keras.preprocessing.image.draws import draws
from kgraph.keras.preprocessing.image.files import save_img
from kgraph.keras.utils.sequence import Sequence

SUBSETS = ("training", "validation", None)


class _Making(threading.local):
    """What the thread is making a batch with."""

    state: RandomState | None = None


class Iterator(Sequence):
    """Batches of n samples, as a `Sequence` and as an iterator that never ends.

    n           how many samples there are
    batch_size  how many make a batch; the last of an epoch may have fewer
    shuffle     whether each epoch has an order of its own
    seed        makes order and transformations repeatable

    With a seed, batch i of epoch e draws from a generator of its own, seeded with seed + number of batches · e + i; for
    i = 0 this first gives the order of the epoch. So a batch is the same whoever fetches it, in whatever order, in
    threads or processes, by number or by `next`. Without one, all draws come from `numpy.random`.

    A subclass makes the batch of some samples in `_get_batches_of_transformed_samples(index_array)`; its draws
    should come from `self.random`. Raises ArgumentError for numbers that make no sense, DataError for no samples.
    """

    white_list_formats = ("png", "jpg", "jpeg", "bmp", "ppm", "tif", "tiff")
    image_data_generator: Any = None
    data_format = "channels_last"
    save_to_dir: Any = None
    save_prefix, save_format = "", "png"
    subset: str | None = None

    def __init__(self, n: int, batch_size: int, shuffle: bool, seed: int | None) -> None:
        owner = type(self).__name__
        if whole_number(owner, "n", n, 0) == 0:
            raise DataError(
                describe(
                    f"{owner}: there are no images",
                    expected="at least one, in each subset that ImageDataGenerator(validation_split=) makes",
                    got="none" if self.subset is None else f"none for {self.subset}",
                )
            )
        self.n, self.batch_size = n, whole_number(owner, "batch_size", batch_size)
        self.shuffle, self.seed = shuffle, seed_number(owner, seed)
        self.batch_index = 0
        """Which batch of the epoch `next` gives."""
        self.total_batches_seen = 0
        """How many batches `next` has given."""
        self.index_array: NDArray[np.int64] | None = None
        """The order of the epoch."""
        self._epoch = 0
        self.lock, self._making = threading.Lock(), _Making()

    def __len__(self) -> int:
        return ceil(self.n / self.batch_size)

    def __getitem__(self, index: int) -> Any:
        count = len(self)
        if not -count <= index < count:
            raise ArgumentError(
                describe(f"{type(self).__name__}: no such batch", expected=f"0 to {count - 1}", got=index)
            )
        index %= count
        with self.lock:
            state = self._state(self._epoch * count + index)
            if self.index_array is None:
                self._set_index_array(state if index == 0 else None)
            elif index == 0 and self.shuffle and self.seed is not None:
                state.permutation(self.n)  # the order came from these draws
            assert self.index_array is not None
            rows = self.index_array[index * self.batch_size : (index + 1) * self.batch_size]
        return self._make(rows, state)

    def __iter__(self) -> Iterator:
        return self

    def __next__(self) -> Any:
        with self.lock:
            state = self._state(self.total_batches_seen)
            if self.batch_index == 0 or self.index_array is None:
                self._set_index_array(state)
            assert self.index_array is not None
            rows = self.index_array[self.batch_index * self.batch_size :][: self.batch_size]
            self.batch_index = (self.batch_index + 1) % len(self)
            self.total_batches_seen += 1
        return self._make(rows, state)

    next = __next__

    def reset(self) -> None:
        """Let `next` begin an epoch."""
        self.batch_index = 0

    def on_epoch_end(self) -> None:
        """Give the next epoch its order."""
        with self.lock:
            self._epoch += 1
            self._set_index_array()

    @property
    def random(self) -> RandomState | None:
        """The generator of the batch that is being made; None without a seed, when `numpy.random` is to be used."""
        return self._making.state

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name not in ("lock", "_making")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, lock=threading.Lock(), _making=_Making())

    def _state(self, number: int) -> RandomState:
        return draws(None if self.seed is None else (self.seed + number) % 2**32)

    def _set_index_array(self, state: RandomState | None = None) -> None:
        state = self._state(self._epoch * len(self)) if state is None else state
        self.index_array = state.permutation(self.n) if self.shuffle else np.arange(self.n)

    def _make(self, rows: NDArray[np.int64], state: RandomState) -> Any:
        self._making.state = None if self.seed is None else state
        try:
            return self._get_batches_of_transformed_samples(rows)
        finally:
            self._making.state = None

    def _get_batches_of_transformed_samples(self, index_array: NDArray[np.int64]) -> Any:
        raise UnsupportedError(
            describe(
                f"{type(self).__name__} makes no batches",
                expected="a subclass with _get_batches_of_transformed_samples(index_array)",
            )
        )

    def _varied(self, x: NDArray[Any]) -> NDArray[Any]:
        """An image, transformed and standardised as the generator of images says."""
        generator = self.image_data_generator
        if generator is None:
            return x
        moved = generator.apply_transform(x, generator.get_random_transform(x.shape, seed=self.random))
        return generator.standardize(moved)

    def _save(self, batch: NDArray[Any], rows: NDArray[np.int64], most: int) -> None:
        """Write the images of a batch to `save_to_dir`, each with a random number below `most` in its name."""
        if not self.save_to_dir:
            return
        random = draws(self.random)
        for x, row in zip(batch, rows, strict=True):
            name = f"{self.save_prefix}_{row}_{random.randint(most)}.{self.save_format}"
            save_img(os.path.join(self.save_to_dir, name), x, self.data_format)

    def _part(self, subset: str | None, count: int) -> slice:
        """Which of so many samples are in a subset: the first, by `validation_split`, are for validation."""
        one_of(type(self).__name__, "subset", subset, SUBSETS)
        split = int(count * getattr(self.image_data_generator, "_validation_split", 0.0))
        begin, end = {"training": (split, count), "validation": (0, split)}.get(subset or "", (0, count))
        return slice(begin, end)
