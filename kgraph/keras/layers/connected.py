"""The inputs and outputs of a layer: one pair for each call of it, kept as nodes."""

from __future__ import annotations

from typing import Any

from kgraph.errors import GraphError, NotBuiltError, describe
from kgraph.keras.layers.nodes import Node, map_structure


class Connected:
    """What has been called on symbolic tensors: `input`, `output` and their like.

    Those without an index are of the only call. Raises NotBuiltError where there was no such call, GraphError for
    `input` and `output` where there were several.
    """

    name: str
    _inbound_nodes: list[Node]

    def get_input_at(self, node_index: int) -> Any:
        return self._node(node_index).inputs

    def get_output_at(self, node_index: int) -> Any:
        return self._node(node_index).outputs

    def get_input_shape_at(self, node_index: int) -> Any:
        return map_structure(lambda t: t.shape, self.get_input_at(node_index))

    def get_output_shape_at(self, node_index: int) -> Any:
        return map_structure(lambda t: t.shape, self.get_output_at(node_index))

    def get_input_mask_at(self, node_index: int) -> Any:
        return map_structure(lambda t: t._keras_mask, self.get_input_at(node_index))

    def get_output_mask_at(self, node_index: int) -> Any:
        return map_structure(lambda t: t._keras_mask, self.get_output_at(node_index))

    @property
    def input(self) -> Any:
        return self._only_node().inputs

    @property
    def output(self) -> Any:
        return self._only_node().outputs

    @property
    def input_shape(self) -> Any:
        return map_structure(lambda t: t.shape, self._node(0).inputs)

    @property
    def output_shape(self) -> Any:
        return map_structure(lambda t: t.shape, self._node(0).outputs)

    @property
    def input_mask(self) -> Any:
        return self.get_input_mask_at(0)

    @property
    def output_mask(self) -> Any:
        return self.get_output_mask_at(0)

    def _node(self, index: int) -> Node:
        if not self._inbound_nodes:
            raise NotBuiltError(
                describe(f"layer {self.name} was never called", expected="a layer with an input")
            )
        try:
            return self._inbound_nodes[index]
        except IndexError:
            raise NotBuiltError(
                describe(
                    f"layer {self.name} has no node {index}", expected=f"below {len(self._inbound_nodes)}"
                )
            ) from None

    def _only_node(self) -> Node:
        if len(self._inbound_nodes) > 1:
            raise GraphError(
                describe(
                    f"layer {self.name} has {len(self._inbound_nodes)} inputs and outputs",
                    expected="get_input_at(node) or get_output_at(node)",
                )
            )
        return self._node(0)
