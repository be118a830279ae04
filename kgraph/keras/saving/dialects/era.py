"""Which Keras wrote a configuration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kgraph.keras.saving.dialects.nodes import is_tensor

OURS = "kgraph"
"""What stands as the backend in what we write: every setting is there, and words mean what they mean to us."""


def era_of(config: Any, version: Any) -> tuple[int, bool]:
    """1, 2 or 3, or 0 for our own form and when nothing tells; and whether it was Keras itself up to 2.3.

    That we wrote it decides, then the version that a file states, then marks that only Keras 3 leaves.
    """
    if isinstance(config, Mapping) and config.get("backend") == OURS:
        return 0, False
    if isinstance(version, str) and version[:1] in "123" and version[1:2] in ("", "."):
        numbers = version.partition("-")[0].split(".")
        minor = int(numbers[1]) if len(numbers) > 1 and numbers[1].isdigit() else 0
        era = int(version[0])
        return era, (era == 1 or (era == 2 and minor <= 3)) and not version.endswith("-tf")
    return (3 if _is_marked(config) else 0), False


def _is_marked(config: Any) -> bool:
    """Whether something in a configuration is written as Keras 3 alone does."""
    stack = [config]
    while stack:
        item = stack.pop()
        if isinstance(item, Mapping):
            if item.get("class_name") == "DTypePolicy" or "batch_shape" in item or "build_config" in item:
                return True
            if not is_tensor(item):
                stack += list(item.values())
        elif isinstance(item, list | tuple):
            stack += list(item)
    return False
