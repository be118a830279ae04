"""Batches of images from folders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kgraph.errors import ArgumentError, DataError, FileError
from kgraph.keras import Sequential, layers
from kgraph.keras.preprocessing.image import DirectoryIterator, ImageDataGenerator
from tests.keras.preprocessing.image.folders import NAMES, make_images
from tests.keras.preprocessing.image.test_transforms import needs_scipy_as_it_was
from tests.keras.preprocessing.legacy import legacy
from tests.oracle import needs_keras


def test_files_come_with_the_numbers_of_their_folders(tmp_path: Path, capsys: Any) -> None:
    colours = make_images(tmp_path)
    flow = DirectoryIterator(tmp_path, None, (3, 4), batch_size=4, shuffle=False)
    assert capsys.readouterr().out == "Found 10 images belonging to 2 classes.\n"
    assert flow.filenames == [str(Path(name)) for name in NAMES]
    assert flow.filepaths == [str(tmp_path / name) for name in NAMES]
    assert flow.class_indices == {"cats": 0, "dogs": 1}
    assert flow.labels.tolist() == [0] * 5 + [1] * 5
    x, y = (np.concatenate(parts) for parts in zip(*(flow[i] for i in range(3)), strict=True))
    assert x.shape == (10, 3, 4, 3)
    assert x.dtype == y.dtype == np.float32
    np.testing.assert_array_equal(y, np.eye(2)[flow.labels])
    np.testing.assert_allclose(x.mean((1, 2)), colours, atol=3)  # JPEG is not exact


SETTINGS: list[dict[str, Any]] = [
    {},
    {"class_mode": "sparse", "color_mode": "grayscale", "subset": "training"},
    {"class_mode": "binary", "color_mode": "rgba", "interpolation": "bilinear", "subset": "validation"},
    {"class_mode": "input", "keep_aspect_ratio": True},
    {"class_mode": None, "classes": ["dogs"]},
    {"classes": ["dogs", "cats"], "shuffle": False, "follow_links": True},
]


@needs_keras
@needs_scipy_as_it_was
@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_batches_are_those_of_keras(settings: dict[str, Any], data_format: str, tmp_path: Path) -> None:
    make_images(tmp_path)
    flows = []
    for kind in (ImageDataGenerator, legacy("image").ImageDataGenerator):
        generator = kind(
            horizontal_flip=True, channel_shift_range=30.0, validation_split=0.4, data_format=data_format
        )
        flows.append(
            generator.flow_from_directory(tmp_path, target_size=(7, 5), batch_size=3, seed=6, **settings)
        )
    ours, theirs = flows
    assert ours.filenames == theirs.filenames
    assert ours.class_indices == theirs.class_indices
    assert ours.classes.tolist() == theirs.classes.tolist()
    for _ in range(5):
        mine, other = (batch if isinstance(batch, tuple) else (batch,) for batch in map(next, flows))
        for a, b in zip(mine, other, strict=True):
            assert a.dtype == b.dtype
            np.testing.assert_array_equal(a, b)


def test_links_are_followed_when_asked(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    make_images(tmp_path / "other")
    (tmp_path / "all" / "one").mkdir(parents=True)
    (tmp_path / "all" / "one" / "link").symlink_to(tmp_path / "other" / "cats", target_is_directory=True)
    with pytest.raises(DataError, match="there are no images"):
        DirectoryIterator(tmp_path / "all", None)
    assert DirectoryIterator(tmp_path / "all", None, follow_links=True).samples == 5


def test_a_model_learns_from_a_folder(tmp_path: Path) -> None:
    make_images(tmp_path)
    generator = ImageDataGenerator(rescale=1 / 255, validation_split=0.4)
    train, held = (
        generator.flow_from_directory(
            tmp_path, target_size=(4, 4), batch_size=2, class_mode="binary", seed=1, subset=subset
        )
        for subset in ("training", "validation")
    )
    model = Sequential([layers.Flatten(input_shape=(4, 4, 3)), layers.Dense(1, activation="sigmoid")])
    model.compile("adam", "binary_crossentropy")
    history = model.fit(train, epochs=20, validation_data=held, workers=2, verbose=0).history
    assert history["loss"][-1] < history["loss"][0]
    assert len(history["val_loss"]) == 20
    assert model.predict(held).shape == (4, 1)


def test_a_damaged_image_is_named(tmp_path: Path) -> None:
    make_images(tmp_path)
    (tmp_path / "dogs" / "a.png").write_bytes(b"\x89PNG")
    flow = DirectoryIterator(tmp_path, None, shuffle=False)
    with pytest.raises(FileError, match=r"dogs.a\.png"):
        flow[0]


@pytest.mark.parametrize(
    ("settings", "kind", "message"),
    [
        ({"class_mode": "raw"}, ArgumentError, "class_mode"),
        ({"color_mode": "bgr"}, ArgumentError, "color_mode"),
        ({"interpolation": "linear"}, ArgumentError, "interpolation"),
        ({"target_size": 4}, ArgumentError, "target_size"),
        ({"target_size": (4, -4)}, ArgumentError, "target_size"),
        ({"subset": "test"}, ArgumentError, "subset"),
        ({"classes": ["cats", "birds"]}, ArgumentError, "got: birds"),
        ({"subset": "validation"}, DataError, "none for validation"),
    ],
)
def test_arguments_that_make_no_sense_are_named(
    settings: dict[str, Any], kind: type[Exception], message: str, tmp_path: Path
) -> None:
    make_images(tmp_path)
    with pytest.raises(kind, match=message):
        ImageDataGenerator().flow_from_directory(tmp_path, **settings)


def test_folders_without_images_and_no_folders(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "a.png").write_bytes(b"")
    for folder in (tmp_path, tmp_path / "empty"):
        with pytest.raises(DataError, match="a folder for each class"):
            DirectoryIterator(folder, None)
    with pytest.raises(FileNotFoundError):
        DirectoryIterator(tmp_path / "none", None)
    with pytest.raises(NotADirectoryError):
        DirectoryIterator(tmp_path / "a.png", None)
