"""A model as a graph in the DOT language, which Graphviz and many others draw."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kgraph.errors import ArgumentError, UnsupportedError, describe
from kgraph.keras.utils.vis_utils import graph_of

DIRECTIONS = ("TB", "LR", "BT", "RL")


class Dot:
    """A graph as text, with the methods of `pydot.Dot` that programs for Keras call.

    Pictures are made by Graphviz's `dot` program. For a graph that can be changed piece by piece there is
    `pydot.graph_from_dot_data(graph.to_string())`.
    """

    def __init__(self, text: str) -> None:
        self._text = text

    def to_string(self) -> str:
        """The graph in the DOT language."""
        return self._text

    __str__ = to_string

    def create(self, prog: str = "dot", format: str = "ps") -> bytes:
        """A picture: "svg", "png", "pdf" or what else `prog` can. Raises UnsupportedError where it can't be run."""
        if format == "raw":
            return self._text.encode()
        try:
            done = subprocess.run(
                [prog, f"-T{format}"], input=self._text.encode(), capture_output=True, check=True
            )
        except FileNotFoundError:
            raise UnsupportedError(
                describe(
                    "no picture without Graphviz", expected=f"the program {prog} on the path", got="none"
                )
            ) from None
        except subprocess.CalledProcessError as error:
            raise UnsupportedError(
                describe(f"{prog} has not made a picture", got=error.stderr.decode(errors="replace").strip())
            ) from None
        return done.stdout

    def write(self, path: str | os.PathLike[str], prog: str = "dot", format: str = "raw") -> bool:
        """Write the text ("raw") or a picture to a file."""
        Path(path).write_bytes(self.create(prog, format))
        return True

    def create_svg(self, prog: str = "dot") -> bytes:
        return self.create(prog, "svg")

    def create_png(self, prog: str = "dot") -> bytes:
        return self.create(prog, "png")

    def write_svg(self, path: str | os.PathLike[str], prog: str = "dot") -> bool:
        return self.write(path, prog, "svg")

    def write_png(self, path: str | os.PathLike[str], prog: str = "dot") -> bool:
        return self.write(path, prog, "png")

    def write_pdf(self, path: str | os.PathLike[str], prog: str = "dot") -> bool:
        return self.write(path, prog, "pdf")


def model_to_dot(
    model: Any,
    show_shapes: bool = False,
    show_layer_names: bool = True,
    rankdir: str = "TB",
    expand_nested: bool = False,
    dpi: int = 96,
    subgraph: bool = False,
) -> Dot:
    """The layers of a model as nodes, and what flows between them as edges.

    rankdir        the direction: "TB" from top to bottom, "LR", "BT", "RL"
    expand_nested  models within the model as clusters of their layers, not as one node
    subgraph       a cluster, to stand in another graph

    Raises ArgumentError for another direction, NotBuiltError before the model has a graph.
    """
    if rankdir not in DIRECTIONS:
        raise ArgumentError(describe("bad rankdir", expected=" or ".join(DIRECTIONS), got=repr(rankdir)))
    drawing = Drawing(show_shapes, show_layer_names, expand_nested)
    lines = list(drawing.lines(model))
    if subgraph:
        return Dot("\n".join(drawing.cluster(model, lines)) + "\n")
    head = [f"  rankdir={rankdir}; concentrate=true; dpi={int(dpi)};", "  node [shape=record];"]
    return Dot("\n".join(["digraph G {", *head, *lines, "}"]) + "\n")


class Drawing:
    """Nodes and edges as lines. A layer has one name throughout, also where two models share it."""

    def __init__(self, shapes: bool, names: bool, expand: bool) -> None:
        self.shapes, self.names, self.expand = shapes, names, expand
        self._numbers: dict[int, int] = {}

    def lines(self, model: Any) -> Iterator[str]:
        """Those of a model."""
        layers, edges = graph_of(model)
        calls = {node.layer: node for node in reversed(model._nodes)}
        for layer in layers:
            if self._is_open(layer):
                yield from (f"  {line}" for line in self.cluster(layer, list(self.lines(layer))))
            else:
                yield f"  {self._name(layer)} [label={quoted(self._label(calls[layer]))}];"
        for source, sink in edges:
            yield from (f"  {a} -> {b};" for a in self._ends(source) for b in self._starts(sink))

    def cluster(self, model: Any, lines: list[str]) -> list[str]:
        """The lines of a model with a frame around them."""
        return [
            f"subgraph {quoted(f'cluster_{model.name}')} {{",
            f"  label={quoted(model.name)};",
            *lines,
            "}",
        ]

    def _is_open(self, layer: Any) -> bool:
        return self.expand and bool(getattr(layer, "_nodes", None))

    def _name(self, layer: Any) -> str:
        return f"layer_{self._numbers.setdefault(id(layer), len(self._numbers))}"

    def _starts(self, layer: Any) -> list[str]:
        """The nodes to which the edges into a layer lead."""
        return self._within(layer, layer.inputs) if self._is_open(layer) else [self._name(layer)]

    def _ends(self, layer: Any) -> list[str]:
        """The nodes from which the edges out of a layer come."""
        if not self._is_open(layer):
            return [self._name(layer)]
        return list(dict.fromkeys(name for t in layer.outputs for name in self._ends(t._keras_history[0])))

    def _within(self, layer: Any, tensors: list[Any]) -> list[str]:
        return list(dict.fromkeys(name for t in tensors for name in self._starts(t._keras_history[0])))

    def _label(self, call: Any) -> str:
        """What stands in the box of a layer; the shapes are those of its first call in the model."""
        layer = call.layer
        kind = type(layer).__name__
        inner = getattr(layer, "layer", None)
        if inner is not None:
            kind = f"{kind}({type(inner).__name__})"
        title = escaped(f"{layer.name}: {kind}" if self.names else kind)
        if not self.shapes:
            return title
        made = shapes_of(call.output_tensors)
        given = shapes_of(call.input_tensors) if call.input_tensors else made
        return f"{title}|{{input:|output:}}|{{{{{given}}}|{{{made}}}}}"


def shapes_of(tensors: list[Any]) -> str:
    """The shape of a tensor, or the shapes of several, for a label."""
    shapes = [t.shape for t in tensors]
    return escaped(str(shapes[0] if len(shapes) == 1 else shapes))


def escaped(text: str) -> str:
    """Text in a label of boxes, in which some characters mean something."""
    return "".join(f"\\{letter}" if letter in "\\{}|<>" else letter for letter in text)


def quoted(text: str) -> str:
    """A name or a label in quotes."""
    return '"' + text.replace('"', '\\"') + '"'
