"""Reuters: 11228 news in 46 topics, as lists of the ranks of their words."""

from __future__ import annotations

import os

from kgraph.keras.datasets.files import fetch
from kgraph.keras.datasets.parts import Parts, Words, kept_for_training, load_word_index, shuffled
from kgraph.keras.datasets.plain import read_npz
from kgraph.keras.legacy import legacy

TOPICS = (
    *("cocoa", "grain", "veg-oil", "earn", "acq", "wheat", "copper", "housing", "money-supply", "coffee"),
    *("sugar", "trade", "reserves", "ship", "cotton", "carcass", "crude", "nat-gas", "cpi", "money-fx"),
    *("interest", "gnp", "meal-feed", "alum", "oilseed", "gold", "tin", "strategic-metal", "livestock"),
    *("retail", "ipi", "iron-steel", "rubber", "heat", "jobs", "lei", "bop", "zinc", "orange", "pet-chem"),
    *("dlr", "gas", "silver", "wpi", "hog", "lead"),
)


@legacy(num_words="nb_words")
def load_data(
    path: str | os.PathLike[str] = "reuters.npz",
    num_words: int | None = None,
    skip_top: int = 0,
    maxlen: int | None = None,
    test_split: float = 0.2,
    seed: int | None = 113,
    start_char: int | None = 1,
    oov_char: int | None = 2,
    index_from: int | None = 3,
) -> Parts:
    """The news as ((x_train, y_train), (x_test, y_test)), a `test_split` of them for the test.

    y  int64[n]: the number of the topic, as `get_label_names` has them

    The other arguments, x, and what is raised are those of `imdb.load_data`; ArgumentError unless 0 <= test_split < 1.
    """
    kept_for_training(0, test_split)
    x, y = read_npz(fetch("reuters.npz", path), "x", "y")
    (order,) = shuffled(seed, len(x))
    kept = Words(x, y, order).no_longer_than(maxlen, start_char)
    words = kept.encoded(num_words, skip_top, start_char, oov_char, index_from)
    return words.split(kept_for_training(len(words), test_split))


def get_word_index(path: str | os.PathLike[str] = "reuters_word_index.json") -> dict[str, int]:
    """The rank of each word, 1 for the most frequent one; in the news they are higher by `index_from`."""
    return load_word_index("reuters_word_index.json", path)


def get_label_names() -> tuple[str, ...]:
    """The topics in the order of their numbers."""
    return TOPICS
