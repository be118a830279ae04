"""Emitted graphs are renamed and thinned out with their subgraphs in mind."""

from __future__ import annotations

from onnx import NodeProto, TensorProto, helper

from kgraph.plugins.onnx.tidy import rename, used_nodes


def loop(reads: str) -> NodeProto:
    """A Scan whose body reads a value of the graph around it."""
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [2]) for name in ("slice", "made"))
    body = helper.make_graph([helper.make_node("Add", ["slice", reads], ["made"])], "body", [x], [y])
    return helper.make_node("Scan", ["x"], ["y"], body=body, num_scan_inputs=1)


def test_what_only_a_body_reads_is_used() -> None:
    nodes = [
        helper.make_node("Neg", ["w"], ["minus"]),
        helper.make_node("Abs", ["w"], ["unread"]),
        loop("minus"),
    ]
    kept, used = used_nodes(nodes, ["y"])
    assert [node.op_type for node in kept] == ["Neg", "Scan"]
    assert {"w", "x", "minus", "y"} <= used
    assert "unread" not in used


def test_renaming_reaches_bodies() -> None:
    nodes = [helper.make_node("Neg", ["w"], ["minus"]), loop("minus")]
    rename(nodes, "minus", "negative")
    assert nodes[0].output == ["negative"]
    assert list(nodes[1].attribute[0].g.node[0].input) == ["slice", "negative"]
