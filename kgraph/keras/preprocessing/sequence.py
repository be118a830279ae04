"""Sequences as arrays: padding, windows over time series, and word pairs for skip-gram models."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable
from collections.abc import Sequence as Listed
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from kgraph.errors import ArgumentError, ArgumentTypeError, DataError, describe
from kgraph.keras.preprocessing.checks import number, one_of, read_config, whole_number
from kgraph.keras.utils.sequence import Sequence

__all__ = [
    "TimeseriesGenerator",
    "make_sampling_table",
    "pad_sequences",
    "skipgrams",
    "timeseries_generator_from_json",
]

_SIDES = ("pre", "post")
_EULER_GAMMA = 0.577  # as short as in Keras, so that tables agree to the last bit


def pad_sequences(
    sequences: Iterable[Any],
    maxlen: int | None = None,
    dtype: DTypeLike = "int32",
    padding: str = "pre",
    truncating: str = "pre",
    value: Any = 0.0,
) -> NDArray[Any]:
    """Sequences of different lengths as one array, the short ones filled up with `value`, the long ones cut.

    sequences   of numbers, or of arrays that all have one shape *S
    maxlen      the length of all; by default that of the longest
    dtype       of the result; `object` for strings of any length
    padding     the side that is filled up: "pre" (before) or "post" (after)
    truncating  the side that is cut off: "pre" or "post"
    returns     `dtype`[len(sequences), maxlen, *S]

    Raises ArgumentError for other sides, a maxlen that is no length, and no sequences without a maxlen; DataError for
    entries that are no sequences, differ in *S or don't fit the dtype.

    >>> pad_sequences([[1, 2, 3, 4], [5]], maxlen=3)
    array([[2, 3, 4],
           [0, 0, 5]], dtype=int32)
    """
    one_of("pad_sequences", "padding", padding, _SIDES)
    one_of("pad_sequences", "truncating", truncating, _SIDES)
    entries = _entries(sequences)
    if maxlen is not None:
        whole_number("pad_sequences", "maxlen", maxlen, 0)
    elif not entries:
        raise ArgumentError(
            describe("pad_sequences: no length", expected="maxlen, as there are no sequences", got="none")
        )
    length = max(map(len, entries)) if maxlen is None else int(maxlen)
    if isinstance(value, str) and not (np.dtype(dtype) == object or np.dtype(dtype).kind in "US"):
        raise ArgumentError(
            describe(
                f"pad_sequences: a string does not pad {np.dtype(dtype)}",
                expected="dtype=object, for strings of any length",
                got=f"value={value!r}",
            )
        )
    shape: tuple[int, ...] | None = None
    arrays: list[NDArray[Any] | None] = []
    for position, entry in enumerate(entries):
        if len(entry) == 0:
            arrays.append(None)
            continue
        kept = entry[max(len(entry) - length, 0) :] if truncating == "pre" else entry[:length]
        # The first element tells about the shape where nothing is kept.
        array = _array(kept if length else entry[:1], dtype, position)
        shape = array.shape[1:] if shape is None else shape
        if array.shape[1:] != shape:
            raise DataError(
                describe(
                    f"pad_sequences: sequence {position} has other elements than the first",
                    expected=f"elements of shape {shape}",
                    got=f"shape {array.shape[1:]}",
                )
            )
        arrays.append(array[:length])
    try:
        result = np.full((len(entries), length, *(shape or ())), value, dtype=dtype)
    except (ValueError, TypeError, OverflowError) as error:
        raise ArgumentError(
            describe("pad_sequences: bad value", expected=f"one that fits {np.dtype(dtype)}", got=error)
        ) from None
    for row, filled in zip(result, arrays, strict=True):
        if filled is not None:
            start = length - len(filled) if padding == "pre" else 0
            row[start : start + len(filled)] = filled
    return result


def _entries(sequences: Iterable[Any]) -> list[Any]:
    if isinstance(sequences, str | bytes) or not isinstance(sequences, Iterable):
        raise ArgumentTypeError(
            describe("pad_sequences", expected="a list of sequences", got=type(sequences).__name__)
        )
    entries = list(sequences)
    for position, entry in enumerate(entries):
        if not _is_sequence(entry):
            raise DataError(
                describe(
                    f"pad_sequences: entry {position} is no sequence",
                    expected="a list of sequences",
                    got=f"{type(entry).__name__} {entry!r}",
                )
            )
    return entries


def _is_sequence(entry: Any) -> bool:
    if isinstance(entry, str | bytes):
        return False
    try:  # sets and generators have no order or no end, and NumPy's numbers have the methods but fail
        return len(entry) >= 0 and entry[:0] is not None
    except (TypeError, IndexError, KeyError):
        return False


def _array(values: Any, dtype: DTypeLike, position: int) -> NDArray[Any]:
    try:
        return np.asarray(values, dtype=dtype)
    except (ValueError, TypeError, OverflowError) as error:
        raise DataError(
            describe(
                f"pad_sequences: sequence {position} is no array", expected=str(np.dtype(dtype)), got=error
            )
        ) from None


def make_sampling_table(size: int, sampling_factor: float = 1e-5) -> NDArray[np.float64]:
    """With what probability `skipgrams` takes the word of each rank, as in word2vec: rare words more often.

    For the frequency f of a word it is min(1, √(sampling_factor / f)). The frequencies are those of Zipf's law,
    1 / f(r) = r (ln r + γ) + 1/2 − 1/(12 r) for rank r = 1, 2, …; rank 0, which no word has, gets what rank 1 gets.

    size     how many ranks there are
    returns  float64[size]

    Raises ArgumentError for no ranks, and for a factor that is not above 0.

    >>> make_sampling_table(4).round(5)
    array([0.00315, 0.00315, 0.00548, 0.00742])
    """
    rank = np.maximum(np.arange(whole_number("make_sampling_table", "size", size)), 1)
    if not number("make_sampling_table", "sampling_factor", sampling_factor) > 0:
        raise ArgumentError(
            describe("make_sampling_table: bad sampling_factor", expected="above 0", got=sampling_factor)
        )
    inverse = rank * (np.log(rank) + _EULER_GAMMA) + 0.5 - 1.0 / (12.0 * rank)
    scaled = sampling_factor * inverse
    return np.minimum(1.0, scaled / np.sqrt(scaled))


def skipgrams(
    sequence: Listed[int],
    vocabulary_size: int,
    window_size: int = 4,
    negative_samples: float = 1.0,
    shuffle: bool = True,
    categorical: bool = False,
    sampling_table: Any = None,
    seed: int | None = None,
) -> tuple[list[list[int]], list[Any]]:
    """Pairs of words that stand near each other (label 1), and of words with random ones (label 0).

    sequence          numbers of words; 0 is no word and passed over
    vocabulary_size   random words are from 1 to vocabulary_size − 1
    window_size       how far apart, on either side, words may stand to be a pair
    negative_samples  how many random pairs there are for each pair of neighbours
    shuffle           whether to shuffle the pairs
    categorical       whether labels are [0, 1] and [1, 0] rather than 1 and 0
    sampling_table    the probability to take each word as the first of pairs, by number; by default all are taken
    seed              of the shuffle only, as in Keras
    returns           the pairs, [word, other], and their labels

    All draws come from Python's `random`, in the order of Keras; to repeat them seed that. As in Keras, shuffling seeds
    it anew.
    Raises ArgumentError for a table that is too short and a vocabulary without words.

    >>> skipgrams([5, 0, 7], 10, window_size=2, negative_samples=0, shuffle=False)
    ([[5, 7], [7, 5]], [1, 1])
    """
    whole_number("skipgrams", "window_size", window_size, 0)
    positive, negative = ([0, 1], [1, 0]) if categorical else (1, 0)
    couples = _neighbours(sequence, window_size, sampling_table)
    labels: list[Any] = [positive] * len(couples)
    if negative_samples > 0:
        count = int(len(labels) * negative_samples)
        words = [word for word, _ in couples]
        random.shuffle(words)
        if count:
            whole_number("skipgrams", "vocabulary_size", vocabulary_size, 2)
        couples += [[words[i % len(words)], random.randint(1, vocabulary_size - 1)] for i in range(count)]
        labels += [negative] * count
    if shuffle:
        seed = random.randint(0, 10_000_000) if seed is None else seed
        for listed in (couples, labels):  # of one length, so one seed gives both the same order
            random.seed(seed)
            random.shuffle(listed)
    return couples, labels


def _neighbours(sequence: Listed[int], window: int, table: Any) -> list[list[int]]:
    couples: list[list[int]] = []
    for i, word in enumerate(sequence):
        if not word:
            continue
        if table is not None:
            if not 0 <= word < len(table):
                raise ArgumentError(
                    describe(
                        "skipgrams: a word is not in sampling_table",
                        expected=f"words from 0 to {len(table) - 1}",
                        got=word,
                    )
                )
            if table[word] < random.random():
                continue
        near = range(max(0, i - window), min(len(sequence), i + window + 1))
        couples += [[word, sequence[j]] for j in near if j != i and sequence[j]]
    return couples


class TimeseriesGenerator(Sequence):
    """Windows over a time series, each with the target that comes after it, in batches.

    data           values by time, [n, *S]: an array, a list or what else gives slices
    targets        [n, *T]; a window that ends before i has target i
    length         how long a window is, in time steps
    sampling_rate  a window takes every sampling_rate-th step
    stride         how far the windows are apart
    start_index, end_index  the first and the last time that is used, by default all are
    shuffle        batches of windows from random places, drawn from `numpy.random`, instead of in order
    reverse        windows that run backwards
    batch_size     windows in a batch; the last batch may have fewer

    Batches are ([b, ⌈length / sampling_rate⌉, *S], [b, *T]). Raises ArgumentError for numbers that make no sense and
    DataError for as many targets as data.

    >>> x, y = TimeseriesGenerator(range(10), range(10), length=4, sampling_rate=2, batch_size=2)[0]
    >>> x.tolist(), y.tolist()
    ([[0, 2], [1, 3]], [4, 5])
    """

    def __init__(
        self,
        data: Any,
        targets: Any,
        length: int,
        sampling_rate: int = 1,
        stride: int = 1,
        start_index: int = 0,
        end_index: int | None = None,
        shuffle: bool = False,
        reverse: bool = False,
        batch_size: int = 128,
    ) -> None:
        for name, values in (("data", data), ("targets", targets)):
            if not hasattr(values, "__len__"):
                raise ArgumentTypeError(
                    describe(
                        f"TimeseriesGenerator: bad {name}",
                        expected="an array or a list",
                        got=type(values).__name__,
                    )
                )
        if len(data) != len(targets):
            raise DataError(
                describe(
                    "TimeseriesGenerator: data and targets do not match",
                    expected="one target for each time step",
                    got=f"{len(data)} steps and {len(targets)} targets",
                )
            )
        owner = "TimeseriesGenerator"
        self.data, self.targets = data, targets
        self.length = whole_number(owner, "length", length)
        self.sampling_rate = whole_number(owner, "sampling_rate", sampling_rate)
        self.stride = whole_number(owner, "stride", stride)
        self.batch_size = whole_number(owner, "batch_size", batch_size)
        self.start_index = whole_number(owner, "start_index", start_index, 0) + self.length
        """The first time that has a window before it."""
        self.end_index = len(data) - 1 if end_index is None else end_index
        self.shuffle, self.reverse = shuffle, reverse
        if not self.start_index <= self.end_index < len(data):
            raise ArgumentError(
                describe(
                    "TimeseriesGenerator: no window fits",
                    expected=f"start_index + length <= end_index <= {len(data) - 1}",
                    got=f"start_index={start_index}, length={length}, end_index={self.end_index}",
                )
            )

    def __len__(self) -> int:
        return ceil((self.end_index - self.start_index + 1) / (self.batch_size * self.stride))

    def __getitem__(self, index: int) -> tuple[NDArray[Any], NDArray[Any]]:
        if self.shuffle:
            ends = np.random.randint(self.start_index, self.end_index + 1, size=self.batch_size)
        else:
            first = self.start_index + self.batch_size * self.stride * index
            last = min(first + self.batch_size * self.stride, self.end_index + 1)
            ends = np.arange(first, last, self.stride)
        windows = np.array([self.data[end - self.length : end : self.sampling_rate] for end in ends.tolist()])
        targets = np.array([self.targets[end] for end in ends.tolist()])
        return (windows[:, ::-1] if self.reverse else windows), targets

    def get_config(self) -> dict[str, Any]:
        """The arguments, with data and targets as JSON. Raises ArgumentTypeError when these are no numbers or lists."""
        return {
            "data": _as_json("data", self.data),
            "targets": _as_json("targets", self.targets),
            "length": self.length,
            "sampling_rate": self.sampling_rate,
            "stride": self.stride,
            "start_index": self.start_index - self.length,
            "end_index": self.end_index,
            "shuffle": self.shuffle,
            "reverse": self.reverse,
            "batch_size": self.batch_size,
        }

    def to_json(self, **kwargs: Any) -> str:
        """What `timeseries_generator_from_json` takes; the arguments are those of `json.dumps`."""
        return json.dumps({"class_name": type(self).__name__, "config": self.get_config()}, **kwargs)


def _as_json(name: str, values: Any) -> str:
    try:
        return json.dumps(np.asarray(values).tolist())
    except (TypeError, ValueError) as error:
        raise ArgumentTypeError(
            describe(f"TimeseriesGenerator: {name} cannot be written as JSON", expected="numbers", got=error)
        ) from None


def timeseries_generator_from_json(json_string: str) -> TimeseriesGenerator:
    """The generator that `to_json` described. Raises ArgumentError for anything else."""
    config = read_config(json_string, "TimeseriesGenerator")
    try:
        data, targets = json.loads(config.pop("data")), json.loads(config.pop("targets"))
        return TimeseriesGenerator(data, targets, **config)
    except (KeyError, TypeError, RecursionError, json.JSONDecodeError) as error:
        raise ArgumentError(
            describe(
                "TimeseriesGenerator: JSON of something else", expected="what to_json gives", got=repr(error)
            )
        ) from None
