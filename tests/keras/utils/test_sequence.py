"""Data sets as numbered batches."""

from __future__ import annotations

import pytest

from kgraph.keras.utils import Sequence


class Letters(Sequence):
    def __len__(self) -> int:
        return 3

    def __getitem__(self, index: int) -> str:
        return "abc"[index]


def test_it_iterates_over_one_epoch_as_often_as_asked() -> None:
    letters = Letters()
    assert [list(letters), list(letters)] == [["a", "b", "c"]] * 2
    letters.on_epoch_end()


def test_a_subclass_without_a_length_is_refused_at_once() -> None:
    class Endless(Sequence):
        def __getitem__(self, index: int) -> int:
            return index

    with pytest.raises(TypeError, match="__len__"):
        Endless()
