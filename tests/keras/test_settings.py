"""floatx, epsilon, image_data_format: Keras's file gives the first values, and no state of it is fatal."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from kgraph.errors import ArgumentError
from kgraph.keras import settings
from kgraph.keras.settings import Settings, keras_home, read_settings, temporary_home
from tests.house.layout import ROOT


def write(folder: Path, text: str) -> Path:
    file = folder / "keras.json"
    file.write_text(text, encoding="utf-8")
    return file


def test_the_file_gives_what_it_has_and_defaults_fill_the_rest(tmp_path: Path) -> None:
    entries = {"floatx": "float64", "backend": "tensorflow", "image_data_format": "channels_first"}
    assert read_settings(write(tmp_path, json.dumps(entries))) == Settings("float64", 1e-7, "channels_first")


def test_a_missing_file_is_no_news(tmp_path: Path) -> None:
    assert read_settings(tmp_path / "nowhere" / "keras.json") == Settings()


@pytest.mark.parametrize("text", ["", "{", "[1]", "null", "[" * 100_000])
def test_a_damaged_file_is_passed_over_with_a_warning(tmp_path: Path, text: str) -> None:
    with pytest.warns(UserWarning, match=r"keras\.json is passed over"):
        assert read_settings(write(tmp_path, text)) == Settings()


def test_a_file_that_is_no_text_is_passed_over_with_a_warning(tmp_path: Path) -> None:
    file = tmp_path / "keras.json"
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.warns(UserWarning, match="passed over"):
        assert read_settings(file) == Settings()


@pytest.mark.parametrize(
    "entry",
    [
        {"floatx": "int8"},
        {"floatx": ["float32"]},
        {"epsilon": 0},
        {"epsilon": "small"},
        {"image_data_format": "tf"},
    ],
)
def test_a_bad_value_is_named_with_its_file(tmp_path: Path, entry: dict[str, object]) -> None:
    with pytest.raises(ArgumentError) as caught:
        read_settings(write(tmp_path, json.dumps(entry)))
    for part in (*entry, "keras.json", "expected"):
        assert part in str(caught.value)


def test_the_folder_is_the_named_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "elsewhere"))
    assert keras_home() == tmp_path / "elsewhere"


def test_the_folder_is_in_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KERAS_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert keras_home() == tmp_path / ".keras"


def test_an_unwritable_home_is_replaced_by_the_temporary_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KERAS_HOME", raising=False)
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert keras_home() == Path(tempfile.gettempdir()) / ".keras"


def test_a_stranger_s_folder_for_temporary_files_is_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path))
    assert temporary_home() == tmp_path / ".keras"
    (tmp_path / ".keras").mkdir()
    assert temporary_home() == tmp_path / ".keras"
    monkeypatch.setattr(os, "getuid", lambda: 4711)
    assert temporary_home() == tmp_path / ".keras-4711"


def first_values(home: Path, statement: str = "") -> str:
    """What a new process prints for epsilon and floatx."""
    program = f"from kgraph import keras; K = keras.backend; {statement or 'print(K.epsilon(), K.floatx())'}"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        env={**os.environ, "KERAS_HOME": str(home), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def test_a_process_reads_the_file_and_leaves_it_alone(tmp_path: Path) -> None:
    file = write(tmp_path, '{"epsilon": 0.5}')
    assert first_values(tmp_path) == "0.5 float32"
    assert [path.name for path in tmp_path.iterdir()] == ["keras.json"]
    assert file.read_text() == '{"epsilon": 0.5}'


def test_a_process_makes_a_file_when_it_needs_a_value_and_not_before(tmp_path: Path) -> None:
    home = tmp_path / "new" / "home"
    first_values(home, "pass")
    assert not home.exists()
    assert first_values(home) == "1e-07 float32"
    assert [path.name for path in home.iterdir()] == ["keras.json"]
    made = json.loads((home / "keras.json").read_text())
    assert made == {"floatx": "float32", "epsilon": 1e-07, "image_data_format": "channels_last"}
    assert first_values(home) == "1e-07 float32"


@pytest.mark.parametrize("text", ["{", '{"floatx": "int8"}'])
def test_no_file_keeps_keras_from_being_imported(tmp_path: Path, text: str) -> None:
    write(tmp_path, text)
    assert first_values(tmp_path, "K.clear_session(); print('imported')") == "imported"


def test_real_keras_reads_the_file_we_made_and_chooses_its_own_backend(tmp_path: Path) -> None:
    settings.write_defaults(tmp_path / "keras.json")
    program = "import keras; print(keras.config.backend(), keras.config.epsilon())"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "KERAS_HOME": str(tmp_path), "KERAS_BACKEND": "numpy"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "numpy 1e-07"


def test_no_folder_to_write_to_is_no_error(tmp_path: Path) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.touch()
    settings.write_defaults(in_the_way / "keras.json")
    settings.write_defaults(in_the_way)
    assert in_the_way.read_bytes() == b""


def test_a_file_made_meanwhile_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "exists", lambda path: False)
    file = write(tmp_path, '{"epsilon": 0.5}')
    settings.write_defaults(file)
    assert file.read_text() == '{"epsilon": 0.5}'
    assert [path.name for path in tmp_path.iterdir()] == ["keras.json"]


@pytest.mark.parametrize(("ordering", "wanted"), [("tf", "channels_last"), ("th", "channels_first")])
def test_the_spelling_of_keras_1_is_understood(tmp_path: Path, ordering: str, wanted: str) -> None:
    file = write(tmp_path, json.dumps({"image_dim_ordering": ordering}))
    assert read_settings(file).image_data_format == wanted


def test_values_are_set_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "_current", Settings())
    settings.set_floatx("float64")
    settings.set_epsilon(1e-3)
    settings.set_image_data_format("channels_first")
    assert (settings.floatx(), settings.epsilon(), settings.image_data_format()) == (
        "float64",
        1e-3,
        "channels_first",
    )


def test_a_bad_value_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "_current", Settings())
    for change, value in (
        (settings.set_floatx, "float"),
        (settings.set_epsilon, -1.0),
        (settings.set_image_data_format, "channel_last"),
    ):
        with pytest.raises(ValueError, match="expected"):
            change(value)
    assert settings._current == Settings()
