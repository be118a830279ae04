"""Objects as plain data and back, in both of Keras's forms, with nothing run that a file brings along."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import pytest

from kgraph.errors import ArgumentError
from kgraph.keras.utils import (
    CustomObjectScope,
    custom_objects,
    deserialize_keras_object,
    get_registered_object,
    register_keras_serializable,
    serialize_keras_object,
)
from kgraph.keras.utils.serialization import has_arg


class Scale:
    def __init__(self, factor: float = 1) -> None:
        self.factor = factor

    def get_config(self) -> dict[str, Any]:
        return {"factor": self.factor}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Scale:
        return cls(**config)


class Plain:
    def __init__(self, factor: float = 1) -> None:
        self.factor = factor


class Nest(Scale):
    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Nest:
        made = cls(**config)
        made.given = custom_objects
        return made


def relu(x: float) -> float:
    return max(x, 0)


TABLE = {"Scale": Scale, "Plain": Plain, "Nest": Nest, "relu": relu}


@pytest.fixture(autouse=True)
def registrations_come_back(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(custom_objects, "_names", dict(custom_objects._names))
    with CustomObjectScope():
        yield


def test_what_is_written_can_be_read() -> None:
    data = serialize_keras_object(Scale(3))
    assert data == {"class_name": "Scale", "config": {"factor": 3}}
    assert deserialize_keras_object(data, TABLE).factor == 3
    assert data == {"class_name": "Scale", "config": {"factor": 3}}
    assert serialize_keras_object(relu) == "relu"
    assert serialize_keras_object(Scale) == "Scale"
    assert deserialize_keras_object("relu", TABLE) is relu
    assert serialize_keras_object(None) is deserialize_keras_object(None) is None


def test_what_has_no_name_cannot_be_written() -> None:
    with pytest.raises(ArgumentError, match="get_config"):
        serialize_keras_object(object())


def test_a_class_name_alone_makes_an_object_and_callables_pass() -> None:
    assert deserialize_keras_object("Scale", TABLE).factor == 1
    assert deserialize_keras_object(relu) is relu


def test_a_class_without_from_config_takes_the_config_as_arguments() -> None:
    assert deserialize_keras_object({"class_name": "Plain", "config": {"factor": 2}}, TABLE).factor == 2


@pytest.mark.parametrize(
    "data",
    [
        {"module": "keras.layers", "class_name": "Scale", "config": {"factor": 5}, "registered_name": None},
        {"module": None, "class_name": "Scale", "config": {"factor": 5}, "registered_name": "Scale"},
        {"module": "a.b", "class_name": "Scale", "config": {"factor": 5}, "registered_name": "gone>Scale"},
        {"class_name": "gone>Scale", "config": {"factor": 5}, "build_config": {"input_shape": [None, 2]}},
    ],
)
def test_the_form_of_keras_3_is_read(data: dict[str, Any]) -> None:
    assert deserialize_keras_object(data, TABLE).factor == 5


@pytest.mark.parametrize("registered", ["function", "relu", None])
def test_a_function_in_the_form_of_keras_3_is_read(registered: str | None) -> None:
    data = {"module": "builtins", "class_name": "function", "config": "relu", "registered_name": registered}
    assert deserialize_keras_object(data, TABLE) is relu


def test_a_registered_class_is_found_by_its_full_name() -> None:
    register_keras_serializable("pkg")(Nest)
    data = serialize_keras_object(Nest(4))
    assert data["class_name"] == "pkg>Nest"
    assert type(deserialize_keras_object(data)) is Nest
    keras_3 = {"module": None, "class_name": "Nest", "config": {"factor": 4}, "registered_name": "pkg>Nest"}
    assert type(deserialize_keras_object(keras_3)) is Nest


def test_custom_objects_come_before_the_table_and_are_in_scope_while_the_object_is_made() -> None:
    class Mine(Scale):
        @classmethod
        def from_config(cls, config: dict[str, Any]) -> Mine:
            assert get_registered_object("half") is relu
            return cls(**config)

    data = {"class_name": "Scale", "config": {"factor": 2}}
    assert type(deserialize_keras_object(data, TABLE, {"Scale": Mine, "half": relu})) is Mine
    assert get_registered_object("half") is None
    with CustomObjectScope({"Scale": Plain}):
        assert type(deserialize_keras_object(data, TABLE)) is Plain


def test_a_class_that_asks_for_custom_objects_gets_them_all() -> None:
    with CustomObjectScope({"a": 1}):
        made = deserialize_keras_object({"class_name": "Nest", "config": {}}, TABLE, {"b": 2})
    assert made.given == {"a": 1, "b": 2}


def test_an_unknown_name_is_named() -> None:
    with pytest.raises(ArgumentError, match=r"(?s)unknown optimizer: Adamant.*custom_objects"):
        deserialize_keras_object("Adamant", TABLE, printable_module_name="optimizer")


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"class_name": "Scale"},
        {"class_name": 3, "config": {}},
        {"class_name": "Scale", "config": [1]},
        3,
        [relu],
    ],
)
def test_damaged_descriptions_are_refused(data: object) -> None:
    with pytest.raises(ArgumentError, match="description"):
        deserialize_keras_object(data, TABLE)


def test_no_module_is_imported_and_no_code_is_run() -> None:
    hostile = {"module": "antigravity", "class_name": "fly", "config": {}, "registered_name": None}
    code = {"class_name": "__lambda__", "config": {"code": "4wAAAA==", "defaults": None, "closure": None}}
    for data in (hostile, code):
        with pytest.raises(ArgumentError, match="unknown"):
            deserialize_keras_object(data, TABLE)
    assert "antigravity" not in sys.modules


def test_arguments_by_name() -> None:
    def fn(a: int, /, b: int, *rest: int, c: int = 0, **others: int) -> None: ...

    assert [has_arg(fn, name) for name in ("a", "b", "rest", "c", "others", "d")] == [
        False,
        True,
        False,
        True,
        False,
        False,
    ]
    assert has_arg(fn, "d", accept_all=True)
    assert not has_arg(relu, "d", accept_all=True)
