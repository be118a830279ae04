"""What data sets have in common: the order that a seed gives, the part that is held out, and words as integers."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from itertools import accumulate, chain, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kgraph.errors import ArgumentError, DataError, FileError, describe
from kgraph.keras.datasets.files import fetch
from kgraph.keras.datasets.plain import read_npz
from kgraph.keras.saving.limits import parse_json

Array = NDArray[Any]
Parts = tuple[tuple[Array, Array], tuple[Array, Array]]
"""((x_train, y_train), (x_test, y_test))."""


def shuffled(seed: int | None, *sizes: int) -> Iterator[Array]:
    """For each size an order of so many samples; all of them come from one generator, as in Keras."""
    random = np.random.RandomState(seed)
    for size in sizes:
        order = np.arange(size)
        random.shuffle(order)
        yield order


def kept_for_training(count: int, test_split: float) -> int:
    """How many of some samples are not held out. Raises ArgumentError unless 0 <= test_split < 1."""
    if not 0 <= test_split < 1:
        raise ArgumentError(describe("bad test_split", expected="0 <= test_split < 1", got=repr(test_split)))
    return int(count * (1 - test_split))


def load_table(
    name: str, path: str | os.PathLike[str], test_split: float, seed: int | None, most: int | None = None
) -> Parts:
    """The rows x and targets y of an npz file, the first `most` of them, in the order of a seed."""
    kept_for_training(0, test_split)
    x, y = (array[:most] for array in read_npz(fetch(name, path), "x", "y"))
    (order,) = shuffled(seed, len(x))
    train, test = np.split(order, [kept_for_training(len(x), test_split)])
    return (x[train], y[train]), (x[test], y[test])


class Words:
    """Texts as lists of the ranks of their words, and the label of each text."""

    def __init__(self, texts: Sequence[list[int]], labels: Sequence[int] | Array, order: Array) -> None:
        self.texts = [texts[index] for index in order]
        self.labels = np.asarray(labels)[order]

    def __len__(self) -> int:
        return len(self.texts)

    def __add__(self, other: Words) -> Words:
        labels = np.concatenate([self.labels, other.labels])
        return Words(self.texts + other.texts, labels, np.arange(len(labels)))

    def no_longer_than(self, maxlen: int | None, start_char: int | None) -> Words:
        """Without the texts that have `maxlen` words or more, a start mark counted; all of them for None or 0.

        Raises DataError when none is left.
        """
        if not maxlen:
            return self
        extra = start_char is not None
        kept = [index for index, text in enumerate(self.texts) if len(text) + extra < maxlen]
        if not kept:
            shortest = min(map(len, self.texts), default=0) + extra
            raise DataError(
                describe("no text is short enough", expected=f"maxlen above {shortest}", got=repr(maxlen))
            )
        return Words(self.texts, self.labels, np.asarray(kept))

    def encoded(
        self,
        num_words: int | None,
        skip_top: int,
        start_char: int | None,
        oov_char: int | None,
        index_from: int | None,
    ) -> Words:
        """With ranks raised by `index_from` after a start mark; where they are too rare or too frequent, `oov_char`.

        Kept are the numbers from `skip_top` to below `num_words`, by default the largest one; the rest becomes
        `oov_char`, or goes when that is None. As in Keras this holds for the start mark too.
        """
        start = [] if start_char is None else [start_char]
        ranks = np.fromiter(chain.from_iterable(self.texts), np.int64)
        lengths = [len(text) for text in self.texts]
        ends = list(accumulate(lengths))
        # The start marks go in front of the texts.
        numbers = np.insert(
            ranks + (index_from or 0), np.repeat([0, *ends[:-1]], len(start)), start * len(ends)
        )
        ends = [end + len(start) * (index + 1) for index, end in enumerate(ends)]
        most = num_words or int(numbers.max(initial=0))
        kept = (numbers >= skip_top) & (numbers < most)
        if oov_char is None:
            ends = np.concatenate([[0], np.cumsum(kept)])[ends].tolist()
            flat = numbers[kept].tolist()
        else:
            flat = np.where(kept, numbers, oov_char).tolist()
        texts = [flat[first:last] for first, last in pairwise([0, *ends])]
        return Words(texts, self.labels, np.arange(len(texts)))

    def split(self, count: int) -> Parts:
        """The first texts, and the others: arrays of lists of integers, and the labels."""
        texts = np.empty(len(self), object)
        for index, text in enumerate(self.texts):
            texts[index] = text
        return (texts[:count], self.labels[:count]), (texts[count:], self.labels[count:])


def load_word_index(name: str, path: str | os.PathLike[str]) -> dict[str, int]:
    """The rank of each word, 1 for the most frequent one, from a JSON file. Raises FileError for another one."""
    file = fetch(name, path)
    found = parse_json(file.read_bytes())
    if not isinstance(found, dict) or not {int}.issuperset(map(type, found.values())):
        raise FileError(
            describe("the file of a data set is another one", expected="integers by word", where=str(file))
        )
    return found
