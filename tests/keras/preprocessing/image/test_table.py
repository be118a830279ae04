"""Batches of images whose files and targets stand in a table."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kgraph.errors import ArgumentError, ArgumentTypeError, DataError
from kgraph.keras.preprocessing.image import DataFrameIterator, ImageDataGenerator
from tests.keras.preprocessing.image.folders import NAMES, make_images

needs_pandas = pytest.mark.skipif(
    importlib.util.find_spec("pandas") is None, reason='pandas is not installed (extra "test")'
)

KINDS = ["x", "y", "z", "x", "y"] * 2
MANY = [["x"], ["x", "y"], ("z",), ["y"], "x"] * 2
ROWS = np.arange(10)

TABLE: dict[str, Any] = {
    "filename": NAMES,
    "class": KINDS,
    "many": MANY,
    "half": (ROWS / 2).tolist(),
    "place": [[row, -row] for row in range(10)],
    "weight": ROWS.tolist(),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make_images(tmp_path)
    return tmp_path


def flow(folder: Path, table: Any = TABLE, split: float = 0.0, **settings: Any) -> DataFrameIterator:
    generator = ImageDataGenerator(validation_split=split)
    settings = {"target_size": (3, 4), "batch_size": 20, "shuffle": False, **settings}
    return generator.flow_from_dataframe(table, folder, **settings)


def rows_of(*classes: str) -> list[list[int]]:
    """For each file which of the classes it has, by definition."""
    return [
        [int(name in (kinds if not isinstance(kinds, str) else [kinds])) for name in classes]
        for kinds in MANY
    ]


def test_classes_become_numbers_in_their_order(folder: Path, capsys: Any) -> None:
    one = flow(folder)
    assert capsys.readouterr().out == "Found 10 validated image filenames belonging to 3 classes.\n"
    assert one.class_indices == {"x": 0, "y": 1, "z": 2}
    assert one.classes == one.labels == ["xyz".index(kind) for kind in KINDS]
    assert one.get_classes({"c": ["z", ["x", "y"]]}, "c") == [2, [0, 1]]
    np.testing.assert_array_equal(one[0][1], np.eye(3)[one.classes])
    np.testing.assert_array_equal(flow(folder, class_mode="sparse")[0][1], one.classes)


def test_some_classes_leave_out_the_rows_of_others(folder: Path) -> None:
    two = flow(folder, classes=["z", "x"], class_mode="binary")
    kept = [row for row, kind in enumerate(KINDS) if kind != "y"]
    assert two.filenames == [NAMES[row] for row in kept]
    np.testing.assert_array_equal(two[0][1], [int(KINDS[row] == "x") for row in kept])


def test_several_classes_of_an_image_are_several_ones(folder: Path) -> None:
    np.testing.assert_array_equal(flow(folder, y_col="many")[0][1], rows_of("x", "y", "z"))
    expected = [row for row in rows_of("y", "z") if any(row)]
    np.testing.assert_array_equal(flow(folder, y_col="many", classes=["y", "z"])[0][1], expected)


def test_targets_of_other_kinds(folder: Path) -> None:
    np.testing.assert_array_equal(flow(folder, class_mode="raw", y_col="half")[0][1], ROWS / 2)
    both = flow(folder, class_mode="raw", y_col=["half", "weight"])
    np.testing.assert_array_equal(both[0][1], np.stack([ROWS / 2, ROWS], 1))
    outputs = flow(folder, class_mode="multi_output", y_col=["half", "place"])[0][1]
    np.testing.assert_array_equal(outputs[0], ROWS / 2)
    np.testing.assert_array_equal(outputs[1], np.stack([ROWS, -ROWS], 1))
    images, same = flow(folder, class_mode="input")[0]
    np.testing.assert_array_equal(images, same)
    np.testing.assert_array_equal(flow(folder, class_mode=None)[0], images)
    with pytest.warns(DeprecationWarning, match="raw"):
        assert flow(folder, class_mode="other", y_col="half").class_mode == "raw"


def test_weights_go_with_their_images_into_subsets(folder: Path) -> None:
    shuffled = flow(folder, split=0.3, subset="training", weight_col="weight", shuffle=True, seed=1)
    images, targets, weights = shuffled[0]
    assert sorted(weights.tolist()) == list(range(3, 10))
    np.testing.assert_array_equal(targets.argmax(1), ["xyz".index(KINDS[int(row)]) for row in weights])
    ordered = flow(folder)[0][0]
    np.testing.assert_array_equal(images, ordered[weights.astype(int)])
    assert flow(folder, split=0.3, subset="validation").filenames == NAMES[:3]


def test_names_of_no_images_are_left_out(folder: Path) -> None:
    table = {"filename": [*NAMES[:2], "none.png", "cats/notes.txt"], "class": ["x", "y", "x", "y"]}
    with pytest.warns(UserWarning, match="2 of 4 names"):
        assert flow(folder, table).filenames == NAMES[:2]
    unchecked = flow(folder, table, validate_filenames=False)
    assert unchecked.samples == 4
    with pytest.raises(FileNotFoundError):
        unchecked[0]


def test_names_may_be_whole_paths(folder: Path) -> None:
    table = {"path": [str(folder / name) for name in NAMES], "class": KINDS}
    iterator = ImageDataGenerator().flow_from_dataframe(table, x_col="path", target_size=(2, 2))
    assert iterator.filepaths == table["path"]
    assert iterator[0][0].shape == (10, 2, 2, 3)


@needs_pandas
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"class_mode": "sparse", "weight_col": "weight"},
        {"y_col": "many", "classes": ["y", "x"]},
        {"class_mode": "raw", "y_col": ["half", "weight"]},
        {"class_mode": "multi_output", "y_col": ["half", "place"]},
    ],
)
def test_tables_of_pandas_are_tables(settings: dict[str, Any], folder: Path) -> None:
    import pandas

    table = pandas.DataFrame(TABLE, index=ROWS[::-1])
    ours, expected = flow(folder, table, **settings)[0], flow(folder, **settings)[0]
    for mine, other in zip(ours, expected, strict=True):
        for one, two in zip(
            *(part if isinstance(part, list) else [part] for part in (mine, other)), strict=True
        ):
            np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize(
    ("change", "settings", "kind", "message"),
    [
        ({}, {"x_col": "file"}, ArgumentError, "one of filename, class"),
        ({}, {"y_col": "kind"}, ArgumentError, "no column 'kind'"),
        ({}, {"weight_col": "w"}, ArgumentError, "no column 'w'"),
        ({}, {"y_col": ["class"]}, ArgumentError, "no column"),
        ({}, {"class_mode": "one"}, ArgumentError, "class_mode"),
        ({}, {"class_mode": "binary"}, ArgumentError, "two classes"),
        ({}, {"class_mode": "multi_output", "y_col": "half"}, ArgumentTypeError, "a list of columns"),
        ({}, {"weight_col": "class"}, ArgumentTypeError, "numbers"),
        ({}, {"y_col": "half"}, ArgumentTypeError, "row 0"),
        ({}, {"y_col": "many", "class_mode": "sparse"}, ArgumentTypeError, r"\['x'\] in row 0"),
        ({"filename": [*NAMES[:-1], None]}, {}, ArgumentTypeError, "None in row 9"),
        ({"class": [*KINDS[:-1], float("nan")]}, {}, ArgumentTypeError, "nan in row 9"),
        ({}, {"classes": ["none"]}, DataError, "there are no images"),
        ({}, {"subset": "validation"}, DataError, "none for validation"),
        ({}, {"subset": "test"}, ArgumentError, "subset"),
    ],
)
def test_tables_that_do_not_fit_are_named(
    change: dict[str, Any], settings: dict[str, Any], kind: type[Exception], message: str, folder: Path
) -> None:
    with pytest.raises(kind, match=message):
        flow(folder, {**TABLE, **change}, **settings)


def test_classes_without_a_meaning_are_mentioned(folder: Path) -> None:
    with pytest.warns(UserWarning, match="means nothing"):
        flow(folder, classes=["x"], class_mode=None)
