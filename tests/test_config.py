"""Settings: the environment gives the first values, bad ones are refused by name."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from kgraph import config
from kgraph.errors import ArgumentError, ArgumentTypeError


@pytest.fixture(autouse=True)
def settings_come_back() -> Iterator[None]:
    with config.using():
        yield


def test_an_empty_environment_gives_the_defaults() -> None:
    assert config.from_environment({}) == config.Settings()
    assert config.from_environment({"KGRAPH_DEVICE": "", "KGRAPH_THREADS": " "}) == config.Settings()


def test_the_environment_spells_every_setting() -> None:
    environment = {
        "KGRAPH_DEVICE": "cuda:1",
        "KGRAPH_BACKEND": "reference",
        "KGRAPH_STRICT": "Yes",
        "KGRAPH_THREADS": "3",
        "KGRAPH_DUMP": "some/folder",
    }
    assert config.from_environment(environment) == config.Settings(
        device="cuda:1", backend="reference", strict=True, threads=3, dump=Path("some/folder")
    )


@pytest.mark.parametrize(
    ("variable", "text", "expected"),
    [
        ("KGRAPH_DEVICE", "gpu", "'cuda:<index>'"),
        ("KGRAPH_DEVICE", "cuda:", "'cuda:<index>'"),
        ("KGRAPH_STRICT", "maybe", "1 or 0"),
        ("KGRAPH_THREADS", "-1", ">= 0"),
        ("KGRAPH_THREADS", "two", ">= 0"),
    ],
)
def test_a_bad_variable_is_named(variable: str, text: str, expected: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        config.from_environment({variable: text})
    for part in (variable, repr(text), expected):
        assert part in str(caught.value)


def test_a_bad_environment_does_not_break_the_import() -> None:
    program = (
        "from kgraph import config\ntry:\n    config.get()\nexcept ValueError as error:\n    print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"KGRAPH_DEVICE": "tpu", "PYTHONPATH": str(Path(config.__file__).parents[1])},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "KGRAPH_DEVICE" in done.stdout


@pytest.mark.parametrize(
    "change",
    [
        {"device": "CUDA"},
        {"device": 0},
        {"backend": ""},
        {"strict": 1},
        {"threads": -1},
        {"threads": True},
        {"threads": 1.0},
        {"dump": 3},
    ],
)
def test_a_bad_value_is_refused_and_changes_nothing(change: dict[str, object]) -> None:
    before = config.get()
    with pytest.raises(ArgumentError, match=next(iter(change))):
        config.set(threads=7, **change) if "threads" not in change else config.set(**change)
    assert config.get() is before


def test_an_unknown_setting_is_refused() -> None:
    with pytest.raises(ArgumentTypeError, match="devise"):
        config.set(devise="cpu")


def test_set_changes_only_what_it_names() -> None:
    config.set(threads=2)
    config.set(strict=True, dump="here")
    assert (config.get().threads, config.get().strict, config.get().dump) == (2, True, Path("here"))


def test_using_restores_also_after_an_error_and_a_set_inside() -> None:
    before = config.get()

    def fail_with_settings_changed() -> None:
        with config.using(device="cpu") as settings:
            assert settings is config.get()
            assert settings.device == "cpu"
            config.set(threads=5)
            raise KeyError

    with pytest.raises(KeyError):
        fail_with_settings_changed()
    assert config.get() is before


@pytest.mark.parametrize(
    ("device", "kind", "index"),
    [("auto", "auto", 0), ("cpu", "cpu", 0), ("cuda", "cuda", 0), ("cuda:12", "cuda", 12)],
)
def test_a_device_has_a_kind_and_an_index(device: str, kind: str, index: int) -> None:
    settings = config.Settings(device=device)
    assert (settings.device_kind, settings.device_index) == (kind, index)
