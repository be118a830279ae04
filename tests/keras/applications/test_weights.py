"""Weights from files: those of the caller, and the published ones by way of Keras's cache, without a network."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import numpy as np
import pytest

import kgraph.keras
from kgraph.errors import DownloadError, FileError
from kgraph.keras.applications import assembly, weights
from kgraph.keras.applications.weights import PUBLISHED
from kgraph.keras.utils import download
from tests.keras.applications.zoo import BY_NAME, Case, kinds_of, tame_weights
from tests.oracle import its_own_warnings, keras, needs_keras

# Without its classifier, so that all sizes of images go with the published files. 13 MB at most.
SMALL = Case("MobileNet", 32, {"alpha": 0.25, "include_top": False})


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keras's cache as an empty folder, and no network."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))

    def unplugged(url: str, *_: Any) -> None:
        raise DownloadError(url)

    monkeypatch.setattr(download, "download", unplugged)
    (tmp_path / "models").mkdir()
    return tmp_path / "models"


def written_by_keras(case: Case, path: Path, **options: Any) -> list[Any]:
    """Weights by chance in a file of real Keras."""
    model = case.make(keras(), **options)
    made = tame_weights(kinds_of(model))
    model.set_weights(made)
    (model.save_weights if path.name.endswith(".weights.h5") else model.save)(path)
    return made


def assert_holds(model: Any, expected: list[Any]) -> None:
    found = model.get_weights()
    assert len(found) == len(expected)
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@needs_keras
@its_own_warnings
@pytest.mark.parametrize("name", ["w.weights.h5", "whole.keras"])
def test_a_file_of_keras(name: str, tmp_path: Path) -> None:
    expected = written_by_keras(SMALL, tmp_path / name)
    assert_holds(SMALL.make(kgraph.keras, weights=tmp_path / name), expected)
    assert_holds(SMALL.make(kgraph.keras, weights=str(tmp_path / name)), expected)


@needs_keras
@its_own_warnings
@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
@pytest.mark.parametrize("case", [SMALL, BY_NAME["InceptionV3"]], ids=str)
def test_a_file_in_the_layout_of_the_published_ones(case: Case, tmp_path: Path) -> None:
    """It goes by order, as many layers of InceptionV3 have names that count what was made before."""
    options = {"include_top": False}
    expected = written_by_keras(case, tmp_path / "w.h5", **options)
    assert_holds(case.make(kgraph.keras, weights=tmp_path / "w.h5", **options), expected)


def test_a_file_of_another_network(tmp_path: Path) -> None:
    SMALL.make(kgraph.keras).save_weights(tmp_path / "w.h5")
    with pytest.raises(FileError):
        SMALL.make(kgraph.keras, alpha=0.5, weights=tmp_path / "w.h5")
    (tmp_path / "w.h5").write_bytes(b"nothing of the kind")
    with pytest.raises(FileError, match=r"w\.h5"):
        SMALL.make(kgraph.keras, weights=tmp_path / "w.h5")


@needs_keras
@its_own_warnings
def test_published_weights_come_from_the_cache(cache: Path) -> None:
    whole = cache / "mobilenet_2_5_128_tf.h5"
    expected = written_by_keras(SMALL, cache / "any.weights.h5", include_top=True)
    (cache / "any.weights.h5").rename(whole)
    model = SMALL.make(kgraph.keras, weights="imagenet", include_top=True, input_shape=(128, 128, 3))
    assert_holds(model, expected)
    with pytest.raises(DownloadError, match="mobilenet/mobilenet_2_5_160"):
        SMALL.make(kgraph.keras, weights="imagenet", include_top=True, input_shape=(160, 160, 3))


@needs_keras
@its_own_warnings
def test_the_sum_of_a_cached_file_is_checked(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file in the place of the one of ResNet50: refused by the published sum, taken by its own."""
    case, options = BY_NAME["ResNet50"], {"include_top": False, "pooling": "avg"}
    expected = written_by_keras(case, cache / "any.weights.h5", **options)
    file = (cache / "any.weights.h5").rename(cache / "resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5")
    with pytest.raises(DownloadError, match=f"{weights.STORE}resnet/{file.name}"):
        case.make(kgraph.keras, weights="imagenet", **options)
    declared = PUBLISHED["resnet50"]
    own = replace(declared.headless, file_hash=hashlib.md5(file.read_bytes()).hexdigest())
    monkeypatch.setattr(assembly, "PUBLISHED", {**PUBLISHED, "resnet50": replace(declared, headless=own)})
    assert_holds(case.make(kgraph.keras, weights="imagenet", **options), expected)


@needs_keras
@its_own_warnings
def test_weights_for_images_of_no_published_size(cache: Path) -> None:
    expected = written_by_keras(SMALL, cache / "any.weights.h5")
    (cache / "any.weights.h5").rename(cache / "mobilenet_2_5_224_tf_no_top.h5")
    with pytest.warns(UserWarning, match="for 224 are taken"):
        assert_holds(SMALL.make(kgraph.keras, weights="imagenet"), expected)


class Asked(Exception):
    """What `get_file` was asked for: name, URL, folder and sum."""


def ask(fname: str, origin: str, cache_subdir: str, file_hash: str | None = None) -> None:
    raise Asked(fname, origin, cache_subdir, file_hash)


def asked_by(make: Any, **options: Any) -> tuple[Any, ...]:
    with pytest.raises(Asked) as caught:
        make(weights="imagenet", **options)
    return caught.value.args


@needs_keras
@pytest.mark.parametrize("name", BY_NAME)
def test_the_files_are_those_of_keras(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    real = getattr(keras().applications, name)
    home = real.__globals__ if "layers" in real.__globals__ else vars(keras().src.applications.resnet)
    monkeypatch.setattr("keras.src.utils.file_utils.get_file", ask)
    # Keras makes the model before it asks, which takes seconds; of mock layers it takes none.
    monkeypatch.setattr("keras.src.applications.imagenet_utils.correct_pad", MagicMock())
    monkeypatch.setattr("keras.src.applications.inception_resnet_v2.CustomScaleLayer", MagicMock())
    for mocked in ("layers", "Functional"):
        monkeypatch.setitem(home, mocked, MagicMock())
    monkeypatch.setattr(weights, "get_file", ask)
    ours = getattr(kgraph.keras.applications, name)
    variants: list[dict[str, Any]] = [{}]
    if name.startswith("MobileNet"):
        variants = [{"alpha": 0.5, "input_shape": (160, 160, 3)}, {"alpha": 1, "input_shape": (128, 128, 3)}]
    for options in variants:
        for include_top in (True, False):
            given = {"include_top": include_top, "input_shape": (224, 224, 3), **options}
            if name in ("Xception", "InceptionV3", "InceptionResNetV2", "NASNetLarge"):
                del given["input_shape"]
            assert asked_by(ours, **given) == asked_by(real, **given)
