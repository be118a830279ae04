"""The numbers and names that Keras keeps for a whole program: floatx, epsilon and image_data_format.

The functions are Keras's. The first values come from `keras.json` in Keras's folder, when it is there:

    {"floatx": "float32", "epsilon": 1e-07, "image_data_format": "channels_last"}

The folder is the one that KERAS_HOME names, else `~/.keras`, else `.keras` in the folder for temporary files
when the home folder can't be written to. As in Keras, a file with the defaults is made when there is none; unlike
in Keras, not by importing, but when a value is first asked for. The file is shared with Keras, whose backends are
not ours: its entry "backend" is passed over when reading (`kgraph.config` chooses ours) and left out when writing,
so that Keras goes on to choose its own. Keras 1 wrote "image_dim_ordering": "tf" or "th", which is read too.
"""

from __future__ import annotations

import json
import os
import tempfile
import warnings
from contextlib import suppress
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from kgraph.errors import ArgumentError, describe

FLOATX = ("float16", "float32", "float64")
IMAGE_DATA_FORMATS = ("channels_last", "channels_first")
DIM_ORDERINGS = {"tf": "channels_last", "th": "channels_first"}
"""How Keras 1 spelled them."""


@dataclass(frozen=True)
class Settings:
    """One consistent set of values. Raises `ArgumentError` when one is out of its range.

    floatx             dtype of weights and of data handed to a model
    epsilon            the small number that keeps divisions and logarithms finite
    image_data_format  where images have their channels when a layer is not told
    """

    floatx: str = "float32"
    epsilon: float = 1e-7
    image_data_format: str = "channels_last"

    def __post_init__(self) -> None:
        _require(self.floatx in FLOATX, "floatx", f"one of {FLOATX}", self.floatx)
        _require(
            isinstance(self.epsilon, int | float) and not isinstance(self.epsilon, bool) and self.epsilon > 0,
            "epsilon",
            "a number > 0",
            self.epsilon,
        )
        _require(
            self.image_data_format in IMAGE_DATA_FORMATS,
            "image_data_format",
            f"one of {IMAGE_DATA_FORMATS}",
            self.image_data_format,
        )


def _require(holds: bool, name: str, expected: str, got: object) -> None:
    if not holds:
        raise ArgumentError(describe(f"bad value for {name}", expected=expected, got=repr(got)))


def keras_home() -> Path:
    """Keras's folder for settings and cached files. It may not exist yet."""
    if named := os.environ.get("KERAS_HOME"):
        return Path(os.path.expanduser(named))
    home = Path(os.path.expanduser("~"))
    return home / ".keras" if os.access(home, os.W_OK) else temporary_home()


def temporary_home() -> Path:
    """The folder that stands in for one that can't be written to: `.keras` where temporary files are.

    All users of a machine share that place. Where the folder is someone else's, one with the user's number is taken:
    what others put there is not to be trusted.
    """
    shared = Path(tempfile.gettempdir()) / ".keras"
    if not hasattr(os, "getuid") or not shared.exists() or shared.stat().st_uid == os.getuid():
        return shared
    return shared.with_name(f".keras-{os.getuid()}")


def read_settings(file: Path) -> Settings:
    """The settings in a `keras.json`; the defaults for what it leaves out, or when it isn't there.

    A file that can't be read or is no JSON object is passed over with a warning: other programs write it too.
    Raises `ArgumentError`, naming the file, when an entry has a value out of its range.
    """
    try:
        entries: Any = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Settings()
    except (OSError, ValueError, RecursionError) as error:
        warnings.warn(f"{file} is passed over: {error}", stacklevel=2)
        return Settings()
    if not isinstance(entries, dict):
        warnings.warn(f"{file} is passed over: it holds no JSON object", stacklevel=2)
        return Settings()
    if "image_data_format" not in entries and entries.get("image_dim_ordering") in DIM_ORDERINGS:
        entries["image_data_format"] = DIM_ORDERINGS[entries["image_dim_ordering"]]
    try:
        return Settings(
            **{field.name: entries[field.name] for field in fields(Settings) if field.name in entries}
        )
    except ArgumentError as error:
        raise ArgumentError(f"{error}\n  in {file}") from None


def write_defaults(file: Path) -> None:
    """Make a `keras.json` with the defaults, unless there is one or the folder can't be written to.

    It appears whole or not at all, and takes the place of no file that another process makes meanwhile.
    """
    with suppress(OSError):
        if file.exists():
            return
        file.parent.mkdir(parents=True, exist_ok=True)
        whole = file.with_name(f"{file.name}.{os.getpid()}")
        with whole.open("x", encoding="utf-8") as stream:
            json.dump(asdict(Settings()), stream, indent=4)
        try:
            os.link(whole, file)
        finally:
            whole.unlink()


_current: Settings | None = None


def _get() -> Settings:
    global _current
    if _current is None:
        file = keras_home() / "keras.json"
        _current = read_settings(file)
        write_defaults(file)
    return _current


def _change(**changes: Any) -> None:
    global _current
    _current = replace(_get(), **changes)


def floatx() -> str:
    """The name of the default float dtype, such as "float32"."""
    return _get().floatx


def set_floatx(floatx: str) -> None:
    """Choose "float16", "float32" or "float64" as the default. Raises `ArgumentError` for others."""
    _change(floatx=floatx)


def epsilon() -> float:
    """The small number that keeps divisions and logarithms finite."""
    return _get().epsilon


def set_epsilon(e: float) -> None:
    """Choose epsilon, a number above 0. Raises `ArgumentError` for others."""
    _change(epsilon=e)


def image_data_format() -> str:
    """Where images have their channels by default: "channels_last" or "channels_first"."""
    return _get().image_data_format


def set_image_data_format(data_format: str) -> None:
    """Choose "channels_last" or "channels_first". Raises `ArgumentError` for others."""
    _change(image_data_format=data_format)
