"""Every sample of every op as a portable model: valid by the checker at old and new opsets, and right where it runs."""

from __future__ import annotations

from collections import Counter

import onnx
import onnxruntime
import pytest

from kgraph.errors import UnsupportedError
from kgraph.ir.graph import Function
from kgraph.ir.interpret import run
from kgraph.ir.op import Op, Sample
from kgraph.ops.indexing import AddAlongAxis
from kgraph.ops.shape import ScatterAdd
from kgraph.passes.decompose import Decompose
from kgraph.passes.nested import apply_everywhere
from kgraph.plugins.onnx.emit import IR_VERSIONS, Target
from kgraph.plugins.onnx.lowerings import TABLE
from kgraph.plugins.onnx.model import Model, build_model
from kgraph.testing.backend_laws import RTOL, assert_agrees
from kgraph.testing.conformance import sample_params
from kgraph.testing.op_laws import gradient_function, sample_function, symbolic_function

# Adding up at repeated positions came with opset 16.
GAPS_BEFORE_16 = {
    "scatter_add": "adds up at repeated positions",
    "add_along_axis-0": "adds up at repeated positions",
    "gather": "its gradient adds up at repeated positions",
    "take_along_axis-0": "its gradient adds up at repeated positions",
}


def portable(function: Function, opset: int) -> Model:
    """Without ops that onnxruntime alone knows."""
    simple = apply_everywhere(Decompose(TABLE.supports, "onnx"), function, Counter())
    return build_model(simple, TABLE, Target(opset=opset, contrib=False))


def check(sample: Sample, opset: int) -> None:
    gradient = gradient_function(sample)
    functions = [sample_function(sample), symbolic_function(sample), *([gradient] if gradient else [])]
    for function in functions:
        model = portable(function, opset)
        onnx.checker.check_model(model.proto, full_check=True)
        assert {node.domain for node in model.proto.graph.node} <= {""}
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        session = onnxruntime.InferenceSession(
            model.proto.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        wanted, _ = run(function, sample.inputs)
        feeds = dict(zip(model.inputs, sample.inputs, strict=True))
        feeds |= {name: variable.storage.read() for variable, name in model.state_inputs.items()}
        for (name, want), got in zip(wanted.items(), session.run(list(model.outputs), feeds), strict=True):
            assert_agrees(got, want, name, max(RTOL, sample.tolerance))


@pytest.mark.parametrize("sample", sample_params(GAPS_BEFORE_16))
def test_opset_13(sample: Sample) -> None:
    check(sample, 13)


@pytest.mark.parametrize("opset", [17, 21])
@pytest.mark.parametrize("sample", sample_params())
def test_opset(sample: Sample, opset: int) -> None:
    check(sample, opset)


@pytest.mark.parametrize("op", [ScatterAdd, AddAlongAxis])
def test_what_an_old_opset_lacks_is_an_error_that_says_so(op: type[Op]) -> None:
    sample = next(iter(op.samples()))
    with pytest.raises(UnsupportedError, match="opset 16 or newer"):
        portable(sample_function(sample), 15)
    portable(sample_function(sample), 16)


@pytest.mark.parametrize("opset", sorted(IR_VERSIONS))
def test_the_ir_version_is_the_one_that_came_with_the_opset(opset: int) -> None:
    (sample,) = [param.values[0] for param in sample_params() if param.id == "add-0"]
    assert isinstance(sample, Sample)
    proto = portable(sample_function(sample), opset).proto
    assert [(entry.domain, entry.version) for entry in proto.opset_import] == [("", opset)]
    assert proto.ir_version == IR_VERSIONS[opset] <= 10


@pytest.mark.parametrize("opset", [12, 22, 28])
def test_other_opsets_are_refused(opset: int) -> None:
    with pytest.raises(UnsupportedError, match="13 to 21"):
        Target(opset=opset)
