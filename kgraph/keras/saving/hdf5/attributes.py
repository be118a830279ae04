"""Lists of names as HDF5 attributes.

What an object's header holds is limited to 64 KB, so Keras writes a longer list in numbered pieces: "layer_names0",
"layer_names1", …  `guard.Group.texts` reads both forms.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from kgraph.errors import ArgumentError, describe

HEADER_LIMIT = 64512
"""Bytes that an attribute may take: 64 KB less what HDF5 needs for itself."""


def write_texts(group: Any, name: str, texts: Sequence[str]) -> None:
    """Write a list of strings, in pieces if it must be. Raises ArgumentError for a string that no header can hold."""
    encoded = [text.encode("utf-8") for text in texts]
    longest = max(map(len, encoded), default=0)
    if longest > HEADER_LIMIT:
        raise ArgumentError(
            describe(
                "a name is too long for HDF5",
                expected=f"at most {HEADER_LIMIT} bytes",
                got=f"{longest} bytes",
                where=f"{group.name}, {name}",
            )
        )
    # Strings of one length, as NumPy has them: every version of h5py and Keras reads these alike.
    array = np.array(encoded, f"S{max(longest, 1)}")
    per_piece = max(HEADER_LIMIT // array.itemsize, 1)
    if len(array) <= per_piece:
        group.attrs[name] = array
        return
    for piece, start in enumerate(range(0, len(array), per_piece)):
        group.attrs[f"{name}{piece}"] = array[start : start + per_piece]


def write_text(group: Any, name: str, text: str) -> None:
    """Write one string, of any length: it lies outside of the header."""
    group.attrs[name] = text.encode("utf-8")
