"""Settings of the process: which device and backend run a graph, how strictly, with how many threads.

The environment gives the first values, `set` changes them, `using` changes them for a while:

    KGRAPH_DEVICE   auto | cpu | cuda | cuda:<index>    where graphs run
    KGRAPH_BACKEND  name of a backend                   what runs them
    KGRAPH_STRICT   1 | 0                               refuse to fall back to another device
    KGRAPH_THREADS  number, 0 = the backend's choice    threads inside one op
    KGRAPH_DUMP     folder                              text of the graph before and after each pass
    KGRAPH_PASSES   -layout,-simplify                   passes to leave out, by name

>>> from kgraph import config
>>> with config.using(device="cpu", threads=1):
...     print(config.get().device, config.get().threads)
cpu 1

The settings belong to the process, not to a thread, and are read when something is compiled: what is compiled
already stays as it is.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from kgraph.errors import ArgumentError, ArgumentTypeError, describe


class _Rule(NamedTuple):
    """What a setting may be, in words and as a test, and how the environment spells it.

    `parse` hands back text it can't read, for `holds` to reject.
    """

    expected: str
    holds: Callable[[Any], bool]
    parse: Callable[[str], object] = str


_DEVICE = re.compile(r"auto|cpu|cuda(:\d+)?", re.ASCII)
_SWITCHES = re.compile(r"(-\w+(,-\w+)*)?", re.ASCII)
_FLAGS = {
    "1": True,
    "true": True,
    "yes": True,
    "on": True,
    "0": False,
    "false": False,
    "no": False,
    "off": False,
}

_RULES = {
    "device": _Rule(
        "'auto', 'cpu', 'cuda' or 'cuda:<index>'",
        lambda value: isinstance(value, str) and _DEVICE.fullmatch(value) is not None,
    ),
    "backend": _Rule("the name of a backend", lambda value: isinstance(value, str) and value != ""),
    "strict": _Rule(
        "True or False (1 or 0 in the environment)",
        lambda value: isinstance(value, bool),
        lambda text: _FLAGS.get(text.lower(), text),
    ),
    "threads": _Rule(
        "an integer >= 0",
        lambda value: isinstance(value, int) and not isinstance(value, bool) and value >= 0,
        lambda text: int(text) if text.isdecimal() else text,
    ),
    "dump": _Rule(
        "a folder, as a Path, or None", lambda value: value is None or isinstance(value, Path), Path
    ),
    "passes": _Rule(
        "names of passes, each after a minus sign, joined by commas",
        lambda value: isinstance(value, str) and _SWITCHES.fullmatch(value) is not None,
    ),
}


def _check(name: str, value: object, where: str = "") -> None:
    if not _RULES[name].holds(value):
        raise ArgumentError(
            describe(
                f"config: bad value for {name}", expected=_RULES[name].expected, got=repr(value), where=where
            )
        )


@dataclass(frozen=True)
class Settings:
    """One consistent set of settings. Raises `ArgumentError` when a value is out of its range.

    device   "auto" takes CUDA when it works and the CPU otherwise; "cuda:1" names the second GPU
    backend  the name a backend is registered under; that it exists is checked when something is compiled
    strict   fail, rather than run elsewhere, when the device can't run the graph or a part of it
    threads  threads a backend may use inside one op; 0 leaves the choice to the backend
    dump     the folder for the text of the graph around each pass; None writes nothing
    passes   "-layout,-simplify" leaves these two out; that they exist is checked when something is compiled
    """

    device: str = "auto"
    backend: str = "onnx"
    strict: bool = False
    threads: int = 0
    dump: Path | None = None
    passes: str = ""

    def __post_init__(self) -> None:
        for name in _RULES:
            _check(name, getattr(self, name))

    @property
    def device_kind(self) -> str:
        """The device without its index: "auto", "cpu" or "cuda"."""
        return self.device.partition(":")[0]

    @property
    def device_index(self) -> int:
        """Which GPU: 1 for "cuda:1", 0 where none is named."""
        return int(self.device.partition(":")[2] or 0)


def from_environment(environment: Mapping[str, str]) -> Settings:
    """The settings that KGRAPH_… variables ask for; an empty variable counts as unset.

    Raises `ArgumentError`, naming the variable, when one can't be understood.
    """
    values: dict[str, Any] = {}
    for name, rule in _RULES.items():
        variable = f"KGRAPH_{name.upper()}"
        if text := environment.get(variable, "").strip():
            values[name] = rule.parse(text)
            _check(name, values[name], where=f"environment variable {variable}")
    return Settings(**values)


_current: Settings | None = None


def get() -> Settings:
    """The settings in force. The environment is read once, when they are first asked for.

    Raises `ArgumentError` when the environment has a value that can't be understood.
    """
    global _current
    if _current is None:
        _current = from_environment(os.environ)
    return _current


def set(**changes: Any) -> None:
    """Change settings by name until they are changed again: `set(device="cuda:1", strict=True)`.

    Raises `ArgumentTypeError` for a name that is no setting and `ArgumentError` for a value out of range, and
    has changed nothing then.
    """
    global _current
    if unknown := sorted(changes.keys() - _RULES.keys()):
        raise ArgumentTypeError(
            describe("config: no such setting", expected=", ".join(_RULES), got=", ".join(unknown))
        )
    if isinstance(changes.get("dump"), str):
        changes["dump"] = Path(changes["dump"])
    _current = replace(get(), **changes)


@contextmanager
def using(**changes: Any) -> Iterator[Settings]:
    """Settings that hold inside a `with` block; whatever was in force before it is in force again after it.

    Takes and raises what `set` does.
    """
    global _current
    before = get()
    set(**changes)
    try:
        yield get()
    finally:
        _current = before
