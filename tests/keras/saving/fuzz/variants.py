"""Damaged variants of a file: what disks, networks and people with bad intentions make of it."""

from __future__ import annotations

import copy
import io
import random
import zipfile
from collections.abc import Iterator
from typing import Any

EXTREMES = (b"\x00", b"\xff", b"\x7f", b"\x80", b"\x01")

STRANGE: tuple[Any, ...] = (
    None,
    True,
    -1,
    0,
    3.5,
    2**31,
    2**63,
    10**30,
    float("nan"),
    "",
    "x" * 5000,
    "os.system",
    "__class__",
    "../../etc/passwd",
    [],
    {},
    [[]],
    [None] * 50,
    [10**6, 10**6],
    {"class_name": "Lambda", "config": {"function": ["4wEAAAA=", None, None], "function_type": "lambda"}},
    {"class_name": "system", "config": {}, "module": "os", "registered_name": "system"},
    {"class_name": "__lambda__", "config": {"value": "4wEAAAA="}},
    {"class_name": "__tensor__", "config": {"value": [1, 2], "dtype": "float32"}},
    {"class_name": "Dense", "config": {"units": 10**9}},
)
"""Values that no honest file has where these are put."""


def variant(data: bytes, rng: random.Random) -> bytes:
    """A variant by one of five means: flipped bits, extreme numbers, an early end, bytes moved, bytes repeated."""
    made = bytearray(data)
    means = rng.randrange(5)
    at, size = rng.randrange(len(data)), rng.choice((1, 2, 4, 8))
    if means == 0:
        for _ in range(rng.choice((1, 1, 2, 8, 64))):
            made[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    elif means == 1:
        for _ in range(rng.choice((1, 1, 2, 4))):
            at = rng.randrange(len(data))
            made[at : at + size] = rng.choice(EXTREMES) * size
    elif means == 2:
        del made[at:]
    elif means == 3:
        length = rng.randrange(1, 65)
        source = rng.randrange(len(data))
        made[at : at + length] = data[source : source + length]
    else:
        length = rng.randrange(1, 257)
        made[at:at] = data[at : at + length] * rng.choice((1, 1, 2, 50))
    return bytes(made)


def tree_variant(tree: Any, rng: random.Random) -> Any:
    """A variant of a configuration: values replaced by strange ones, by each other, taken out, or nested deeply."""
    made = copy.deepcopy(tree)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        holder, key = rng.choice(list(_places(made)))
        means = rng.randrange(5)
        if means <= 1:
            holder[key] = copy.deepcopy(rng.choice(STRANGE))
        elif means == 2:
            other, place = rng.choice(list(_places(tree)))
            holder[key] = copy.deepcopy(other[place])
        elif means == 3:
            del holder[key]
        else:
            for _ in range(rng.choice((1, 3, 300))):
                holder[key] = rng.choice(([holder[key]], {"config": holder[key]}))
        if not list(_places(made)):
            return made
    return made


def _places(tree: Any) -> Iterator[tuple[Any, Any]]:
    """Everything that can be replaced in a tree of lists and dicts: what holds it, and under which key."""
    pending = [tree]
    while pending:
        holder = pending.pop()
        keys: Any = holder if isinstance(holder, dict) else range(len(holder))
        for key in keys:
            yield holder, key
            if isinstance(holder[key], list | dict):
                pending.append(holder[key])


def zip_entries(data: bytes) -> dict[str, bytes]:
    """What is in an archive."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def zip_of(entries: dict[str, bytes]) -> bytes:
    """An archive of some entries."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    return made.getvalue()
