"""Recurrent ops become one ONNX node each, with frozen weights already in ONNX's layout."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest

from kgraph.ir.dims import symbol
from kgraph.ir.graph import Function, Input, Variable
from kgraph.ir.interpret import run
from kgraph.ir.types import TensorType
from kgraph.ops.recurrent import gru, lstm, simple_rnn
from kgraph.ops.samples import floats
from kgraph.plugins.onnx.emit import Target
from kgraph.plugins.onnx.lowerings import TABLE
from kgraph.plugins.onnx.model import build_model

SIZE, UNITS = 3, 4
LAYERS = {
    "LSTM": (lstm, 4, (4 * UNITS,)),
    "GRU": (gru, 3, (2, 3 * UNITS)),
    "RNN": (simple_rnn, 1, (UNITS,)),
}


def layer(name: str, biased: bool) -> Function:
    build, gates, bias = LAYERS[name]
    x = Input("x", TensorType("float32", (symbol("batch"), symbol("time"), SIZE)))
    weights = [
        Variable("kernel", floats(SIZE, gates * UNITS)),
        Variable("recurrent", floats(UNITS, gates * UNITS)),
    ]
    weights += [Variable("bias", floats(*bias))] if biased else []
    return Function("predict", (x,), {"sequence": build(x, *weights)[0]})


@pytest.mark.parametrize("biased", [False, True])
@pytest.mark.parametrize("opset", [13, 21])
@pytest.mark.parametrize("name", LAYERS)
def test_frozen_weights_leave_one_node_and_no_spare_initialiser(name: str, opset: int, biased: bool) -> None:
    function = layer(name, biased)
    frozen = {variable: variable.storage.read() for variable in function.variables()}
    proto = build_model(function, TABLE, Target(opset=opset), frozen).proto
    onnx.checker.check_model(proto, full_check=True)
    assert [node.op_type for node in proto.graph.node] == ["Transpose", name, "Squeeze", "Transpose"]
    floating = [t for t in proto.graph.initializer if t.data_type == onnx.TensorProto.FLOAT]
    assert len(floating) == 2 + biased
    x = floats(2, 5, SIZE)
    session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    wanted, _ = run(function, [x])
    np.testing.assert_allclose(session.run(None, {"x": x})[0], wanted["sequence"], rtol=1e-5, atol=1e-6)
