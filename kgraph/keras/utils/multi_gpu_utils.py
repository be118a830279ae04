"""`multi_gpu_model`, for programs that call it: a session runs on one device."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kgraph.errors import UnsupportedError, describe


def multi_gpu_model(
    model: Any, gpus: int | Sequence[int] | None = None, cpu_merge: bool = True, cpu_relocation: bool = False
) -> Any:
    """The model itself, for one device: where that is all there is, a program goes on with it.

    gpus  a number, or the numbers of the devices; None means all that kgraph can use, which is one

    Raises UnsupportedError where two or more are asked for, rather than being slower than expected in silence.
    """
    count = 1 if gpus is None else gpus if isinstance(gpus, int) else len(gpus)
    if count > 1:
        raise UnsupportedError(
            describe(
                "a model runs on one device",
                expected="gpus=1, and KGRAPH_DEVICE=cuda:0 to say which",
                got=f"gpus={gpus!r}",
                where=model.name,
            )
        )
    return model
