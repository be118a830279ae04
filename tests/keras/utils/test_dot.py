"""model_to_dot: text that says of a model which layers there are and what flows where."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest

from kgraph import keras
from kgraph.errors import ArgumentError, NotBuiltError, UnsupportedError
from kgraph.keras import layers
from kgraph.keras.utils import model_to_dot, vis_utils


def nested() -> Any:
    inner = keras.Sequential([layers.Dense(3, input_shape=(4,), name="deep")], name="inside")
    x = keras.Input((4,), name="x")
    joined = layers.concatenate([inner(x), layers.Dense(2, name="wide")(x), inner(x)], name="join")
    return keras.Model(
        x, layers.TimeDistributed(layers.Dense(1), name="steps")(layers.RepeatVector(2)(joined))
    )


def edges(text: str) -> set[tuple[str, str]]:
    """The edges between labels."""
    labels = dict(re.findall(r'(layer_\d+) \[label="([^:|"]*)', text))
    return {(labels[a], labels[b]) for a, b in re.findall(r"(layer_\d+) -> (layer_\d+);", text)}


OUTER = {("join", "repeat_vector"), ("repeat_vector", "steps"), ("x", "wide"), ("wide", "join")}


def named(found: set[tuple[str, str]]) -> set[tuple[str, str]]:
    return {(re.sub(r"_\d+$", "", a), re.sub(r"_\d+$", "", b)) for a, b in found}


def test_layers_and_edges() -> None:
    text = model_to_dot(nested()).to_string()
    assert text.startswith("digraph G {\n  rankdir=TB;")
    assert text.count("{") == text.count("}") == 1
    assert named(edges(text)) == OUTER | {("x", "inside"), ("inside", "join")}
    assert '"steps: TimeDistributed(Dense)"' in text
    assert vis_utils.model_to_dot is model_to_dot


def test_models_within_the_model() -> None:
    text = str(model_to_dot(nested(), expand_nested=True, rankdir="LR", dpi=70))
    assert "rankdir=LR; concentrate=true; dpi=70;" in text
    assert text.count('subgraph "cluster_inside" {') == 1
    assert named(edges(text)) == OUTER | {("x", "deep_input"), ("deep_input", "deep"), ("deep", "join")}


def test_what_stands_in_the_boxes() -> None:
    model = nested()
    text = model_to_dot(model, show_shapes=True, show_layer_names=False).to_string()
    assert '"InputLayer|{input:|output:}|{{(None, 4)}|{(None, 4)}}"' in text
    assert '"Concatenate|{input:|output:}|{{[(None, 3), (None, 2), (None, 3)]}|{(None, 8)}}"' in text
    strange = keras.Sequential([layers.Dense(1, input_shape=(2,), name='a{b}|"c"')])
    assert r'label="a\{b\}\|\"c\": Dense"' in model_to_dot(strange).to_string()


def test_a_cluster_for_another_graph() -> None:
    text = model_to_dot(nested(), subgraph=True).to_string()
    assert text.startswith('subgraph "cluster_model_')
    assert text.rstrip().endswith("}")


def test_pictures_are_made_by_the_program_named(tmp_path: Path) -> None:
    program = tmp_path / "draw"
    program.write_text(
        f"#!{sys.executable}\nimport sys\ntext = sys.stdin.read()\n"
        "sys.exit('no such format') if 'pdf' in sys.argv[1] else print(sys.argv[1:], len(text))\n"
    )
    program.chmod(0o755)
    dot = model_to_dot(nested())
    size = len(dot.to_string())
    assert dot.create(prog=str(program), format="svg").decode() == f"['-Tsvg'] {size}\n"
    assert dot.create_png(str(program)) == f"['-Tpng'] {size}\n".encode()
    assert dot.create_svg(str(program)) == dot.create(str(program), "svg")
    assert dot.write_svg(tmp_path / "a.svg", str(program)) is True
    assert (tmp_path / "a.svg").read_bytes() == dot.create_svg(str(program))
    assert dot.write_png(tmp_path / "a.png", str(program))
    assert (tmp_path / "a.png").read_bytes() == dot.create_png(str(program))
    dot.write(tmp_path / "a.dot")
    assert (tmp_path / "a.dot").read_text() == dot.to_string()
    with pytest.raises(UnsupportedError, match="no such format"):
        dot.write_pdf(tmp_path / "a.pdf", str(program))
    with pytest.raises(UnsupportedError, match="Graphviz"):
        dot.create("no-such-program", "svg")


def test_what_cannot_be_drawn() -> None:
    with pytest.raises(ArgumentError, match="rankdir"):
        model_to_dot(nested(), rankdir="up")
    with pytest.raises(NotBuiltError):
        model_to_dot(keras.Sequential([layers.Dense(2)]))
