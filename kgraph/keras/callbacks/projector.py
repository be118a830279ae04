"""What TensorBoard's projector reads: tables of vectors, and a file that lists them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from kgraph.errors import ArgumentError, describe
from kgraph.ir.types import Array
from kgraph.keras.saving.atomic import atomic_write

CONFIG = "projector_config.pbtxt"


def write_embeddings(folder: Path, vectors: Mapping[str, Array], metadata: Mapping[str, str]) -> None:
    """Write vectors [count, size] by name as `embeddings/<name>.tsv`, and what lists them; older ones are replaced.

    `metadata` has paths of tables with a row for each vector: relative to the folder, or absolute.
    """
    from tensorboard.plugins.projector.projector_config_pb2 import ProjectorConfig

    config = ProjectorConfig()
    (folder / "embeddings").mkdir(parents=True, exist_ok=True)
    for name, table in vectors.items():
        path = folder / "embeddings" / f"{name.replace('/', '_')}.tsv"
        with atomic_write(path) as file:
            np.savetxt(file, table, fmt="%.9g", delimiter="\t")
        entry = config.embeddings.add(tensor_name=name, tensor_shape=table.shape)
        entry.tensor_path = path.relative_to(folder).as_posix()
        if name in metadata:
            entry.metadata_path = metadata[name]
    with atomic_write(folder / CONFIG) as file:
        file.write_text(str(config), encoding="utf-8")


def metadata_by_layer(given: Any, names: list[str]) -> dict[str, str]:
    """The paths of metadata by layer: one path for all, or a mapping. Raises ArgumentError for unknown layers."""
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        return {name: str(given) for name in names}
    unknown = [name for name in given if name not in names]
    if unknown:
        raise ArgumentError(
            describe(
                "TensorBoard: embeddings_metadata names no layer with embeddings",
                expected=", ".join(names) or "no names: there are none",
                got=unknown[0],
            )
        )
    return {name: str(path) for name, path in given.items()}
