"""Words of texts, their numbers, and matrices of counts."""

from __future__ import annotations

import json
from hashlib import md5
from typing import Any

import numpy as np
import pytest

from kgraph.errors import ArgumentError, ArgumentTypeError, DataError, NotBuiltError
from kgraph.keras.preprocessing.text import (
    Tokenizer,
    hashing_trick,
    one_hot,
    text_to_word_sequence,
    tokenizer_from_json,
)
from tests.keras.preprocessing.legacy import legacy
from tests.oracle import needs_keras

TEXTS = [
    "The cat sat on the mat.",
    "The dog -- sat on the log!",
    "",
    "Ünïcode wörds, and the cat's tail",
    ["Tokens", "the", "Given"],
]

SETTINGS: list[dict[str, Any]] = [
    {},
    {"num_words": 4},
    {"num_words": 4, "oov_token": "<unk>"},
    {"oov_token": "cat"},
    {"lower": False, "filters": "-"},
    {"char_level": True, "num_words": 9},
    {"split": "a"},
    {"num_words": 0},
]


@needs_keras
@pytest.mark.parametrize("text", TEXTS[:-1])
@pytest.mark.parametrize(
    "settings",
    [{}, {"lower": False}, {"split": "t"}, {"filters": ["a", "-"], "split": "--"}, {"filters": ""}],
)
def test_words_are_those_of_keras(text: str, settings: dict[str, Any]) -> None:
    theirs = legacy("text")
    assert text_to_word_sequence(text, **settings) == theirs.text_to_word_sequence(text, **settings)
    assert one_hot(text, 50, **settings) == theirs.one_hot(text, 50, **settings)
    assert hashing_trick(text, 50, "md5", **settings) == theirs.hashing_trick(text, 50, "md5", **settings)


def test_hashes_are_what_they_say() -> None:
    numbers = hashing_trick("a b a", 10, "md5")
    assert numbers == [int(md5(word.encode()).hexdigest(), 16) % 9 + 1 for word in "aba"]
    assert hashing_trick("xx y", 10, len) == [3, 2]
    assert hashing_trick("ab", 10, len, analyzer=lambda text: [text * 3]) == [7]
    assert one_hot("same same", 1000) == [hash("same") % 999 + 1] * 2


def test_the_older_name_of_the_text_still_works() -> None:
    with pytest.warns(DeprecationWarning, match="text="):
        assert text_to_word_sequence(text="a b") == ["a", "b"]
    with pytest.warns(DeprecationWarning, match="num_words="):
        assert Tokenizer(nb_words=3).num_words == 3


@pytest.mark.parametrize("text", [None, 3, b"bytes", float("nan"), ["a"]])
def test_what_is_no_text_has_no_words(text: Any) -> None:
    with pytest.raises(ArgumentTypeError, match=type(text).__name__):
        text_to_word_sequence(text)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: text_to_word_sequence("a", split=""), "split"),
        (lambda: text_to_word_sequence("a", filters=["ab"]), "filters"),
        (lambda: hashing_trick("a", 1), "n"),
        (lambda: hashing_trick("a", 9, "sha1"), "'md5', None"),
        (lambda: Tokenizer(num_words=-1), "num_words"),
        (lambda: Tokenizer(num_words="9"), "num_words"),
    ],
)
def test_arguments_that_make_no_sense_are_named(call: Any, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        call()


@needs_keras
@pytest.mark.parametrize("settings", SETTINGS)
def test_numbers_are_those_of_keras(settings: dict[str, Any]) -> None:
    ours, theirs = Tokenizer(**settings), legacy("text").Tokenizer(**settings)
    for texts in (TEXTS, TEXTS[:2]):  # counting goes on
        ours.fit_on_texts(texts)
        theirs.fit_on_texts(texts)
        for name in ("word_counts", "word_docs", "word_index", "index_word", "index_docs", "document_count"):
            assert getattr(ours, name) == getattr(theirs, name), name
    others = [*TEXTS, "the unknown cat", ["nothing"]]
    sequences = theirs.texts_to_sequences(others)
    assert ours.texts_to_sequences(others) == sequences
    shown = [*sequences, [0, 1, 99]]
    assert ours.sequences_to_texts(shown) == theirs.sequences_to_texts(shown)


@needs_keras
@pytest.mark.parametrize("settings", SETTINGS[:4])
@pytest.mark.parametrize("mode", ["binary", "count", "freq", "tfidf"])
def test_matrices_are_those_of_keras(settings: dict[str, Any], mode: str) -> None:
    ours, theirs = Tokenizer(**settings), legacy("text").Tokenizer(**settings)
    for tokenizer in (ours, theirs):
        tokenizer.fit_on_texts(TEXTS)
    np.testing.assert_allclose(
        ours.texts_to_matrix(TEXTS, mode), theirs.texts_to_matrix(TEXTS, mode), rtol=1e-14, atol=0
    )
    long = [[1, 1, 2, 99, 3, 1], [], np.array([2, 2]), (3,)]
    listed = [list(sequence) for sequence in long]
    np.testing.assert_allclose(
        ours.sequences_to_matrix(long, mode), theirs.sequences_to_matrix(listed, mode), rtol=1e-14, atol=0
    )


def test_tfidf_is_its_formula() -> None:
    tokenizer = Tokenizer(num_words=4)
    tokenizer.fit_on_sequences([[1, 2, 2], [2], [3, 2]])
    matrix = tokenizer.sequences_to_matrix(iter([[1, 1, 2], [3, 7]]), "tfidf")
    idf = {j: np.log(1 + 3 / (1 + n)) for j, n in {1: 1, 2: 3, 3: 1}.items()}
    expected = [[0, (1 + np.log(2)) * idf[1], idf[2], 0], [0, 0, 0, idf[3]]]
    np.testing.assert_allclose(matrix, expected, rtol=1e-15)


def test_an_analyzer_makes_the_words() -> None:
    tokenizer = Tokenizer(analyzer=lambda text: text.split("|"))
    tokenizer.fit_on_texts(["A b|c", "c"])
    assert tokenizer.word_index == {"c": 1, "A b": 2}


def test_generators_come_one_by_one() -> None:
    tokenizer = Tokenizer()
    tokenizer.fit_on_texts(text for text in ["a b", "b"])
    assert next(tokenizer.texts_to_sequences_generator(iter(["a", None]))) == [2]
    assert next(tokenizer.sequences_to_texts_generator(iter([[1, 2], None]))) == "b a"


@needs_keras
@pytest.mark.parametrize("settings", SETTINGS[:4])
def test_json_goes_to_keras_and_comes_from_it(settings: dict[str, Any]) -> None:
    theirs = legacy("text").Tokenizer(**settings)
    theirs.fit_on_texts(TEXTS)
    ours = tokenizer_from_json(theirs.to_json())
    back = legacy("text").tokenizer_from_json(ours.to_json(sort_keys=True))
    for tokenizer in (ours, back):
        assert tokenizer.get_config()["word_index"] == theirs.get_config()["word_index"]
        assert tokenizer.texts_to_sequences(TEXTS) == theirs.texts_to_sequences(TEXTS)
    np.testing.assert_array_equal(
        ours.texts_to_matrix(TEXTS, "tfidf"), theirs.texts_to_matrix(TEXTS, "tfidf")
    )


def test_counting_goes_on_after_json() -> None:
    whole = Tokenizer()
    whole.fit_on_texts(TEXTS)
    again = tokenizer_from_json(whole.to_json())
    assert again.to_json() == whole.to_json()
    whole.fit_on_texts(["more of the same"])
    again.fit_on_texts(["more of the same"])
    assert again.to_json() == whole.to_json()


@pytest.mark.parametrize(
    ("json_string", "kind"),
    [
        (None, ArgumentTypeError),
        (3, ArgumentTypeError),
        ("", ArgumentError),
        ("{", ArgumentError),
        ("[" * 100_000, ArgumentError),
        ("[]", ArgumentError),
        ("{}", ArgumentError),
        ('{"class_name": "Model", "config": {}}', ArgumentError),
        ('{"class_name": "Tokenizer", "config": {}}', ArgumentError),
        ('{"class_name": "Tokenizer", "config": [1]}', ArgumentError),
    ],
)
def test_other_json_is_refused(json_string: Any, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        tokenizer_from_json(json_string)


@pytest.mark.parametrize("value", ["{", "[1]", '{"a": 1}', 3, None])
@pytest.mark.parametrize("name", ["index_docs", "index_word"])
def test_damaged_json_is_refused(name: str, value: Any) -> None:
    whole = json.loads(Tokenizer().to_json())
    whole["config"][name] = value
    with pytest.raises(ArgumentError, match="to_json"):
        tokenizer_from_json(json.dumps(whole))


@pytest.mark.parametrize("text", [None, 3, b"a", float("nan"), ["a", 3], {"a"}])
def test_texts_that_are_none_are_named_by_their_place(text: Any) -> None:
    with pytest.raises(ArgumentTypeError, match="text 1"):
        Tokenizer().fit_on_texts(["fine", text])
    with pytest.raises(ArgumentTypeError, match="text 1"):
        Tokenizer().texts_to_sequences(["fine", text])


@pytest.mark.parametrize(
    "name", ["fit_on_texts", "fit_on_sequences", "texts_to_sequences", "sequences_to_texts"]
)
def test_what_cannot_be_gone_through_is_named(name: str) -> None:
    with pytest.raises(ArgumentTypeError, match="got: NoneType"):
        getattr(Tokenizer(), name)(None)


@pytest.mark.parametrize("sequence", [3, "ab", [-1], [0.5], [[1]], [[1], [1, 2]], [True], [None]])
def test_sequences_that_are_none_are_named_by_their_place(sequence: Any) -> None:
    with pytest.raises(DataError, match="sequence 1"):
        Tokenizer(num_words=5).sequences_to_matrix([[1], sequence])


def test_a_matrix_needs_its_mode_its_width_and_documents() -> None:
    with pytest.raises(ArgumentError, match="'tfidf'"):
        Tokenizer(num_words=3).sequences_to_matrix([], "tf-idf")
    with pytest.raises(NotBuiltError, match="fit_on_texts"):
        Tokenizer().sequences_to_matrix([[1]])
    with pytest.raises(NotBuiltError, match="documents"):
        Tokenizer(num_words=3).sequences_to_matrix([[1]], "tfidf")
