"""Functions in configurations: by name, or as the code of a lambda, which is run only when the caller says so."""

from __future__ import annotations

import base64
import binascii
import builtins
import dis
import marshal
import types
from collections.abc import Mapping
from typing import Any

import numpy as np

from kgraph.errors import FileError, UnsafeError, UnsupportedError, describe
from kgraph.keras import backend as K
from kgraph.keras.utils.custom_objects import get_registered_name

CODE = "__lambda__"


def is_code(item: Any) -> bool:
    """Whether a description holds the code of a function rather than its name."""
    return isinstance(item, Mapping) and item.get("class_name") == CODE


def code_entry(function: types.FunctionType) -> dict[str, Any]:
    """The code of a lambda as Keras 3 writes it. Raises UnsupportedError for values in it that are not plain."""
    cells = [cell.cell_contents for cell in function.__closure__ or ()]
    defaults = list(function.__defaults__ or ())
    if not all(isinstance(v, bool | int | float | str | None) for v in [*cells, *defaults]):
        raise UnsupportedError(
            describe(
                f"{function.__qualname__} remembers values that no file can hold",
                expected="a function with a name, registered by register_keras_serializable",
            )
        )
    code = base64.encodebytes(marshal.dumps(function.__code__)).decode("ascii")
    config = {"code": code, "defaults": defaults or None, "closure": cells or None}
    return {"class_name": CODE, "config": config}


def function_entry(function: Any) -> dict[str, Any]:
    """A function as Keras 3 writes it: by name, or as code when it has none."""
    if getattr(function, "__name__", "<lambda>") == "<lambda>" and isinstance(function, types.FunctionType):
        return code_entry(function)
    name = get_registered_name(function)
    return {
        "module": getattr(function, "__module__", None),
        "class_name": "function",
        "config": name,
        "registered_name": name,
    }


def load_code(item: Mapping[str, Any], safe_mode: bool, where: str) -> types.FunctionType:
    """The function that a description holds as code.

    Raises UnsafeError in safe mode, FileError for what is not the code of a function of this Python.
    """
    if safe_mode:
        raise UnsafeError(
            describe(
                "the file holds the code of a function, and running code from a file can do anything",
                expected="a function with a name, in custom_objects; or, if you trust the file, safe_mode=False "
                "(--unsafe at the command line)",
                where=where,
            )
        )
    config = item.get("config")
    config = config if isinstance(config, Mapping) else {}
    value = config.get("code", config.get("value"))
    parts = [value, config.get("defaults"), config.get("closure")]
    text, defaults, closure = value if isinstance(value, list | tuple) and len(value) == 3 else parts
    try:
        code = marshal.loads(base64.b64decode(str(text)))  # noqa: S302  # the caller said safe_mode=False
    except (binascii.Error, EOFError, ValueError, TypeError) as error:
        raise _foreign(where, str(error)) from None
    if (
        not isinstance(code, types.CodeType)
        or not _is_native(code)
        or len(closure or ()) != len(code.co_freevars)
    ):
        raise _foreign(where, "code of another version")
    cells = tuple(types.CellType(value) for value in closure or ())
    names = {"K": K, "np": np, "__builtins__": builtins}
    return types.FunctionType(code, names, code.co_name, tuple(defaults) if defaults else None, cells)


def _foreign(where: str, got: str) -> FileError:
    return FileError(
        describe(
            "the code of a function cannot be read",
            expected="code written by this version of Python; else the function in custom_objects",
            got=got,
            where=where,
        )
    )


def _is_native(code: types.CodeType) -> bool:
    """Whether byte code can be of this version of Python, whose instructions have empty caches behind them."""
    raw = code.co_code
    sizes = dis._inline_cache_entries  # type: ignore[attr-defined]  # there is no public name for it
    position = 0
    while position < len(raw):
        opcode = raw[position]
        name = dis.opname[opcode]
        if name.startswith("<") or name == "CACHE":
            return False
        size = sizes.get(name, 0) if isinstance(sizes, dict) else sizes[opcode]
        cache = raw[position + 2 : position + 2 + 2 * size]
        if any(cache):
            return False
        position += 2 + 2 * size
    nested = (constant for constant in code.co_consts if isinstance(constant, types.CodeType))
    return position == len(raw) and all(_is_native(inner) for inner in nested)
