"""The page of what works with which files is what the tests show, and they show enough."""

from __future__ import annotations

import pytest

from tests.laws.saved_samples import saved_samples
from tests.support import COLUMNS, PAGE, evidence, layer_classes, page

EVERY = [name for names in layer_classes().values() for name in names]
OURS = {name for sample, classes in saved_samples() if not sample.in_keras for name in classes} - {
    name for sample, classes in saved_samples() if sample.in_keras for name in classes
}
"""Layers that Keras 3 does not have."""


def test_the_page_is_as_generated() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "python -m tests.support"


@pytest.mark.parametrize("column", COLUMNS[3:])
@pytest.mark.parametrize("name", sorted(set(EVERY) - OURS))
def test_every_layer_travels_to_keras_3_and_back(name: str, column: str) -> None:
    assert evidence().marks(name, column) == "r w c"


def test_all_marks_are_about_layers_that_exist_in_files() -> None:
    for cells in (evidence().read, evidence().written, evidence().converted):
        assert {column for _, column in cells} <= set(COLUMNS)
        assert cells
