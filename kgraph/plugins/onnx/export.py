"""Writing ONNX files: inference models, checked, documented and atomic."""

from __future__ import annotations

import errno
import os
import re
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from kgraph.errors import ArgumentError, FileError, UnsupportedError, describe
from kgraph.ir.graph import Function, Variable
from kgraph.ir.op import Op
from kgraph.ir.types import Array
from kgraph.plugins.lowering import Lowering
from kgraph.plugins.onnx.emit import DEFAULT_OPSET, OLDEST_OPSET, Target
from kgraph.plugins.onnx.lowerings import TABLE
from kgraph.plugins.onnx.model import Model, build_model
from kgraph.plugins.onnx.summary import Summary, read_summary, summarize
from kgraph.plugins.onnx.write import add_heads, write_beside, write_whole

# The newest opset that each onnxruntime 1.x runs completely, from its own compatibility table.
_OPSET_OF_RUNTIME = {
    7: 13, 8: 14, 9: 15, 10: 15, 11: 16, 12: 17, 13: 17, 14: 18, 15: 19, 16: 19, 17: 20, 18: 21,
}  # fmt: skip
APART = 1024
"""Constants of more bytes than this are written from their arrays."""
_LARGEST_MESSAGE = 2**31 - 2**20  # a protobuf message stays below 2 GiB; leave room for the graph itself


def choose_opset(opset: int | None, target_ort: str | None) -> int:
    """The opset to write: `opset` itself, or the newest that onnxruntime `target_ort` ("1.16", "1.16.3") runs.

    Raises ArgumentError for a version that cannot be read or is too old, or for an opset that it does not run.
    """
    newest = DEFAULT_OPSET
    if target_ort is not None:
        match = re.match(r"1\.(\d+)", str(target_ort))
        if match is None or int(match[1]) < min(_OPSET_OF_RUNTIME):
            raise ArgumentError(
                describe(
                    "bad target_ort", expected=f"1.{min(_OPSET_OF_RUNTIME)} or newer", got=repr(target_ort)
                )
            )
        newest = _OPSET_OF_RUNTIME.get(int(match[1]), DEFAULT_OPSET)
    if opset is None:
        return newest
    if not isinstance(opset, int) or not OLDEST_OPSET <= opset <= newest:
        raise ArgumentError(describe("bad opset", expected=f"{OLDEST_OPSET} to {newest}", got=repr(opset)))
    return opset


def inference_model(
    function: Function,
    opset: int,
    lowerings: Mapping[type[Op], Lowering],
    doc: str = "",
    metadata: Mapping[str, str] | None = None,
) -> Model:
    """A portable model of a lowered function: weights are constants, only standard ONNX ops are used."""
    frozen: dict[Variable, Array] = {
        v: v.storage.look() for v in function.variables() if v not in function.updates
    }
    table = TABLE.override(lowerings) if lowerings else TABLE
    target = Target(opset=opset)
    return build_model(function, table, target, frozen=frozen, doc=doc, metadata=metadata, apart=APART)


def write_model(
    model: Model,
    path: str | os.PathLike[str],
    external_data: bool | None = None,
    verify: Callable[[str], None] | None = None,
) -> Summary:
    """Check a model and write it; what was there before stays until all is written and found good.

    Weights go into a file beside it, `<name>.data`, when they are more than a protobuf message can hold, or when
    `external_data` asks for it. `verify` is called with the path of the draft, and may raise.
    Raises UnsupportedError when the ONNX checker refuses the model, IsADirectoryError.
    """
    import onnx

    target = Path(path)
    if target.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(target))
    target.parent.mkdir(parents=True, exist_ok=True)
    proto, weights = model.proto, model.weights
    large = sum(array.nbytes for array in weights.values()) > _LARGEST_MESSAGE
    beside = large if external_data is None else external_data or large
    old = _data_in_use(target)
    data = next(name for name in _data_names(target) if name not in old) if beside else None
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".kgraph-") as folder:
        draft = Path(folder) / target.name
        if data is None:
            write_whole(proto, weights, draft)
            add_heads(proto, weights)
        else:
            write_beside(proto, weights, draft, data)
        try:
            onnx.checker.check_model(str(draft), full_check=not large)
        except onnx.checker.ValidationError as error:
            raise UnsupportedError(
                describe(f"the ONNX checker refuses the model: {error}", where=str(path))
            ) from error
        if verify is not None:
            verify(str(draft))
        if data is not None:
            os.replace(draft.parent / data, target.parent / data)
        os.replace(draft, target)
    for name in old - {data}:
        (target.parent / name).unlink(missing_ok=True)
    return summarize(proto, target)


def _data_in_use(target: Path) -> set[str]:
    """The files of weights that belong to the model which is at `target` now."""
    if not any((target.parent / name).exists() for name in _data_names(target)):
        return set()
    try:
        return set(read_summary(target).external).intersection(_data_names(target))
    except (FileError, FileNotFoundError):
        return set()


def _data_names(target: Path) -> tuple[str, str]:
    """Where weights go, beside the model. Two names take turns: the model that is there still needs its own."""
    return f"{target.name}.data", f"{target.name}.1.data"
