"""Texts as numbers: words, their numbers by frequency or hash, and matrices of counts."""

from __future__ import annotations

import json
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable, Iterator
from hashlib import md5
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kgraph.errors import ArgumentError, ArgumentTypeError, DataError, NotBuiltError, describe
from kgraph.keras.legacy import legacy
from kgraph.keras.preprocessing.checks import iterable, one_of, read_config, whole_number

__all__ = ["Tokenizer", "hashing_trick", "one_hot", "text_to_word_sequence", "tokenizer_from_json"]

FILTERS = '!"#$%&()*+,-./:;<=>?@[\\]^_`{|}~\t\n'
"""What separates words: punctuation except ', tabs and line ends."""

MODES = ("binary", "count", "freq", "tfidf")

Analyzer = Callable[[str], list[str]]


@legacy(input_text="text")
def text_to_word_sequence(
    input_text: str, filters: Iterable[str] = FILTERS, lower: bool = True, split: str = " "
) -> list[str]:
    """The words of a text: what stands between `split`, and between the characters of `filters`.

    Raises ArgumentTypeError for what is no text, ArgumentError when `split` is empty or a filter is no character.

    >>> text_to_word_sequence("To be, or not to be!")
    ['to', 'be', 'or', 'not', 'to', 'be']
    """
    if not isinstance(input_text, str):
        raise ArgumentTypeError(
            describe("text_to_word_sequence", expected="a string", got=f"{type(input_text).__name__}")
        )
    if not split:
        raise ArgumentError(
            describe("text_to_word_sequence: bad split", expected="some characters", got=repr(split))
        )
    separators = list(filters)
    if not all(isinstance(each, str) and len(each) == 1 for each in separators):
        raise ArgumentError(
            describe("text_to_word_sequence: bad filters", expected="characters", got=repr(filters))
        )
    text = input_text.lower() if lower else input_text
    text = text.translate({ord(separator): split for separator in separators})
    return [word for word in text.split(split) if word]


@legacy(input_text="text")
def one_hot(
    input_text: str,
    n: int,
    filters: Iterable[str] = FILTERS,
    lower: bool = True,
    split: str = " ",
    analyzer: Analyzer | None = None,
) -> list[int]:
    """`hashing_trick` with Python's `hash`, which differs from process to process for strings."""
    return hashing_trick(input_text, n, hash, filters, lower, split, analyzer)


def hashing_trick(
    text: str,
    n: int,
    hash_function: Callable[[str], int] | str | None = None,
    filters: Iterable[str] = FILTERS,
    lower: bool = True,
    split: str = " ",
    analyzer: Analyzer | None = None,
) -> list[int]:
    """For each word of a text, hash_function(word) mod (n − 1) + 1: from 1 to n − 1, with collisions.

    hash_function  "md5", the same in every process; by default Python's `hash`, which isn't; or a function
    analyzer       makes words of the text instead of `text_to_word_sequence` with the arguments before it

    Raises ArgumentError for n below 2 and another name.

    >>> hashing_trick("to be or not to be", 100, "md5")
    [5, 66, 50, 12, 5, 66]
    """
    whole_number("hashing_trick", "n", n, 2)
    if hash_function is None:
        number: Callable[[str], int] = hash
    elif callable(hash_function):
        number = hash_function
    else:
        one_of("hashing_trick", "hash_function", hash_function, ("md5", None))
        number = _md5
    words = text_to_word_sequence(text, filters, lower, split) if analyzer is None else analyzer(text)
    return [number(word) % (n - 1) + 1 for word in words]


def _md5(word: str) -> int:
    return int(md5(word.encode(), usedforsecurity=False).hexdigest(), 16)


class Tokenizer:
    """Numbers words by how often they are, the most frequent 1, and makes sequences and matrices of texts.

    num_words   how many numbers are used, with 0, which no word has: the num_words − 1 most frequent words are kept
    filters, lower, split  as `text_to_word_sequence` has them
    char_level  characters rather than words
    oov_token   stands for words that have no number or are not kept, which are left out otherwise; it is number 1
    analyzer    a function that makes words of a text; `filters`, `lower` and `split` then mean nothing

    A text is a string, or a list of its words. After `fit_on_texts`:

    word_counts     how often each word is, in the order in which they first came
    word_docs       in how many texts each word is; `index_docs` the same by number
    word_index      numbers by word; `index_word` words by number
    document_count  how many texts there were

    >>> tokenizer = Tokenizer()
    >>> tokenizer.fit_on_texts(["the cat sat", "the cat and the dog"])
    >>> tokenizer.texts_to_sequences(["the dog sat", "the bird sat"])
    [[1, 5, 3], [1, 3]]
    """

    @legacy(num_words="nb_words")
    def __init__(
        self,
        num_words: int | None = None,
        filters: Iterable[str] = FILTERS,
        lower: bool = True,
        split: str = " ",
        char_level: bool = False,
        oov_token: str | None = None,
        document_count: int = 0,
        analyzer: Analyzer | None = None,
    ) -> None:
        if num_words is not None:
            whole_number("Tokenizer", "num_words", num_words, 0)
        self.num_words = num_words
        self.filters, self.lower, self.split = filters, lower, split
        self.char_level, self.oov_token = char_level, oov_token
        self.document_count = document_count
        self.analyzer = analyzer
        self.word_counts: OrderedDict[str, int] = OrderedDict()
        self.word_docs: defaultdict[str, int] = defaultdict(int)
        self.index_docs: defaultdict[int, int] = defaultdict(int)
        self.word_index: dict[str, int] = {}
        self.index_word: dict[int, str] = {}

    def fit_on_texts(self, texts: Iterable[str | list[str]]) -> None:
        """Count the words of these texts too, and number all words anew. Raises ArgumentTypeError for other entries."""
        for position, text in enumerate(iterable("Tokenizer", texts, "texts")):
            words = self._words(text, position)
            self.document_count += 1
            for word in words:
                self.word_counts[word] = self.word_counts.get(word, 0) + 1
            for word in dict.fromkeys(words):
                self.word_docs[word] += 1
        ranked = sorted(self.word_counts, key=self.word_counts.__getitem__, reverse=True)
        numbered = ranked if self.oov_token is None else [self.oov_token, *ranked]
        self.word_index = {word: number for number, word in enumerate(numbered, 1)}
        self.index_word = {number: word for word, number in self.word_index.items()}
        for word, count in self.word_docs.items():
            self.index_docs[self.word_index[word]] = count

    def fit_on_sequences(self, sequences: Iterable[Iterable[int]]) -> None:
        """Count in how many sequences each number is, for "tfidf" without words."""
        for sequence in iterable("Tokenizer", sequences, "sequences"):
            self.document_count += 1
            for number in set(sequence):
                self.index_docs[number] += 1

    def texts_to_sequences(self, texts: Iterable[str | list[str]]) -> list[list[int]]:
        """The numbers of the words of each text. Raises ArgumentTypeError for what is no text."""
        return list(self.texts_to_sequences_generator(texts))

    def texts_to_sequences_generator(self, texts: Iterable[str | list[str]]) -> Iterator[list[int]]:
        """`texts_to_sequences`, one text at a time."""
        unknown = self._unknown
        for position, text in enumerate(iterable("Tokenizer", texts, "texts")):
            numbers = (
                self._kept(self.word_index.get(word)) or unknown for word in self._words(text, position)
            )
            yield [number for number in numbers if number is not None]

    def sequences_to_texts(self, sequences: Iterable[Iterable[int]]) -> list[str]:
        """The words of each sequence, with spaces between them."""
        return list(self.sequences_to_texts_generator(sequences))

    def sequences_to_texts_generator(self, sequences: Iterable[Iterable[int]]) -> Iterator[str]:
        """`sequences_to_texts`, one sequence at a time."""
        unknown = None if self._unknown is None else self.index_word[self._unknown]
        for sequence in iterable("Tokenizer", sequences, "sequences"):
            numbers = iterable("Tokenizer", sequence, "sequences of numbers")
            words = (self.index_word.get(self._kept(number) or 0, unknown) for number in numbers)
            yield " ".join(word for word in words if word is not None)

    def texts_to_matrix(self, texts: Iterable[str | list[str]], mode: str = "binary") -> NDArray[np.float64]:
        """`sequences_to_matrix` of the texts' sequences."""
        return self.sequences_to_matrix(self.texts_to_sequences(texts), mode)

    def sequences_to_matrix(self, sequences: Iterable[Any], mode: str = "binary") -> NDArray[np.float64]:
        """A row for each sequence, with a column for each number j, which is there c times:

        "binary"  1 where c > 0
        "count"   c
        "freq"    c / the length of the sequence
        "tfidf"   (1 + ln c) ln(1 + document_count / (1 + index_docs[j])) where c > 0

        returns   float64[n, num_words], or [n, number of words + 1] when num_words is None; larger numbers are left out

        Raises ArgumentError for another mode, DataError for entries that are no numbers of words, and NotBuiltError
        when the number of columns or, for "tfidf", the documents are not known yet.
        """
        one_of("Tokenizer.sequences_to_matrix", "mode", mode, MODES)
        width = self.num_words or len(self.word_index) + 1
        if not (self.num_words or self.word_index):
            raise NotBuiltError(
                describe(
                    "Tokenizer: how many words?", expected="num_words, or fit_on_texts before", got="neither"
                )
            )
        if mode == "tfidf" and not self.document_count:
            raise NotBuiltError(
                describe(
                    "Tokenizer: tfidf needs documents", expected="fit_on_texts or fit_on_sequences before"
                )
            )
        rows = list(iterable("Tokenizer", sequences, "sequences"))
        counts = np.zeros((len(rows), width))
        for position, (row, sequence) in enumerate(zip(counts, rows, strict=True)):
            numbers = _numbers(sequence, position)
            row += np.bincount(numbers[numbers < width], minlength=width)
            if mode == "freq" and len(numbers):
                row /= len(numbers)
        if mode == "binary":
            return np.minimum(counts, 1)
        if mode != "tfidf":
            return counts
        documents = np.array([self.index_docs.get(number, 0) for number in range(width)])
        frequency = 1 + np.log(counts, out=np.full_like(counts, -1), where=counts > 0)
        return frequency * np.log(1 + self.document_count / (1 + documents))

    def get_config(self) -> dict[str, Any]:
        """The arguments and what was counted, the dictionaries as JSON."""
        return {
            "num_words": self.num_words,
            "filters": self.filters,
            "lower": self.lower,
            "split": self.split,
            "char_level": self.char_level,
            "oov_token": self.oov_token,
            "document_count": self.document_count,
            **{name: json.dumps(getattr(self, name)) for name in _COUNTED},
        }

    def to_json(self, **kwargs: Any) -> str:
        """What `tokenizer_from_json` takes, of any Keras; the arguments are those of `json.dumps`."""
        return json.dumps({"class_name": type(self).__name__, "config": self.get_config()}, **kwargs)

    @property
    def _unknown(self) -> int | None:
        """The number of the word that stands for all without one."""
        return None if self.oov_token is None else self.word_index.get(self.oov_token)

    def _kept(self, number: int | None) -> int | None:
        return None if number is None or (self.num_words and number >= self.num_words) else number

    def _words(self, text: Any, position: int) -> list[str]:
        if isinstance(text, list | tuple):
            if not self.lower:
                return list(text)
            if all(isinstance(word, str) for word in text):
                return [word.lower() for word in text]
        elif isinstance(text, str):
            if self.char_level:
                return list(text.lower() if self.lower else text)
            if self.analyzer is not None:
                return self.analyzer(text)
            return text_to_word_sequence(text, self.filters, self.lower, self.split)
        raise ArgumentTypeError(
            describe(
                f"Tokenizer: text {position} is none",
                expected="a string, or a list of strings",
                got=f"{type(text).__name__} {text!r}",
            )
        )


_COUNTED = ("word_counts", "word_docs", "index_docs", "index_word", "word_index")


def _numbers(sequence: Any, position: int) -> NDArray[np.int64]:
    try:
        numbers = np.asarray(sequence)
    except ValueError:  # lists of different lengths in one
        numbers = np.empty((0, 0))
    if numbers.shape == (0,):
        return np.empty(0, np.int64)
    if numbers.ndim != 1 or numbers.dtype.kind not in "iu" or numbers.min() < 0:
        raise DataError(
            describe(
                f"Tokenizer: sequence {position} is none",
                expected="a list of numbers of words, integers from 0 on",
                got=repr(sequence)[:80],
            )
        )
    return numbers.astype(np.int64)


def tokenizer_from_json(json_string: str) -> Tokenizer:
    """The tokenizer that `to_json` described, of this or another Keras; it can go on counting.

    Raises ArgumentTypeError for what is no text, ArgumentError for what is no such JSON.
    """
    config = read_config(json_string, "Tokenizer")
    try:
        counted = {name: json.loads(config.pop(name)) for name in _COUNTED}
        tokenizer = Tokenizer(**config)
        tokenizer.word_counts = OrderedDict(counted["word_counts"])
        tokenizer.word_docs.update(counted["word_docs"])
        tokenizer.word_index = dict(counted["word_index"])
        # JSON has strings for keys.
        tokenizer.index_docs.update({int(key): value for key, value in counted["index_docs"].items()})
        tokenizer.index_word = {int(key): value for key, value in counted["index_word"].items()}
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise ArgumentError(
            describe("Tokenizer: JSON of something else", expected="what to_json gives", got=repr(error))
        ) from None
    return tokenizer
