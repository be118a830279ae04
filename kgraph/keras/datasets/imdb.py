"""IMDB: 50000 reviews of films, liked or not, as lists of the ranks of their words."""

from __future__ import annotations

import os

from kgraph.keras.datasets.files import fetch
from kgraph.keras.datasets.parts import Parts, Words, load_word_index, shuffled
from kgraph.keras.datasets.plain import read_npz
from kgraph.keras.legacy import legacy


@legacy(num_words="nb_words")
def load_data(
    path: str | os.PathLike[str] = "imdb.npz",
    num_words: int | None = None,
    skip_top: int = 0,
    maxlen: int | None = None,
    seed: int | None = 113,
    start_char: int | None = 1,
    oov_char: int | None = 2,
    index_from: int | None = 3,
) -> Parts:
    """The reviews as ((x_train, y_train), (x_test, y_test)), 25000 each.

    path        name in the cache
    num_words   numbers from here on become `oov_char`; by default the largest number
    skip_top    numbers below this become `oov_char`
    maxlen      reviews of this length or more are left out
    seed        of the order of the reviews
    start_char  a number at the start of each review; None for none
    oov_char    the number in the place of words that are left out; None leaves them out without one
    index_from  what the ranks of the words are raised by
    x           object[n], each a list of integers
    y           int64[n]: 1 for a good review, 0 for a bad one

    Raises DataError when `maxlen` leaves no review, what `get_file` raises, and FileError for a file that holds
    something else.
    """
    x_train, y_train, x_test, y_test = read_npz(
        fetch("imdb.npz", path), "x_train", "y_train", "x_test", "y_test"
    )
    order_train, order_test = shuffled(seed, len(x_train), len(x_test))
    train = Words(x_train, y_train, order_train).no_longer_than(maxlen, start_char)
    test = Words(x_test, y_test, order_test).no_longer_than(maxlen, start_char)
    words = (train + test).encoded(num_words, skip_top, start_char, oov_char, index_from)
    return words.split(len(train))


def get_word_index(path: str | os.PathLike[str] = "imdb_word_index.json") -> dict[str, int]:
    """The rank of each word, 1 for the most frequent one; in the reviews they are higher by `index_from`."""
    return load_word_index("imdb_word_index.json", path)
