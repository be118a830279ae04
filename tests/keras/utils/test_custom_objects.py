"""What users register or put in scope by name."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from kgraph.errors import ArgumentError
from kgraph.keras.utils import (
    CustomObjectScope,
    custom_object_scope,
    custom_objects,
    get_custom_objects,
    get_registered_name,
    get_registered_object,
    register_keras_serializable,
)


@pytest.fixture(autouse=True)
def registrations_come_back(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(custom_objects, "_names", dict(custom_objects._names))
    with CustomObjectScope():
        yield


def test_a_scope_adds_and_takes_away_also_when_nested_or_broken() -> None:
    get_custom_objects()["kept"] = 0

    def fail_inside() -> None:
        with custom_object_scope({"a": 1, "b": 1}, {"b": 2}):
            assert (get_registered_object("a"), get_registered_object("b")) == (1, 2)
            with CustomObjectScope({"a": 3}):
                assert get_registered_object("a") == 3
                get_custom_objects()["inner"] = 4
            assert get_registered_object("a") == 1
            assert get_registered_object("inner") is None
            raise KeyError

    with pytest.raises(KeyError):
        fail_inside()
    assert get_registered_object("a") is None
    assert get_registered_object("kept") == 0


def test_one_scope_can_be_entered_again_inside_itself() -> None:
    scope = CustomObjectScope({"a": 1})
    with scope:
        with scope:
            pass
        assert get_registered_object("a") == 1
    assert get_registered_object("a") is None


def test_the_dictionary_stays_the_same_object() -> None:
    dictionary = get_custom_objects()
    with CustomObjectScope({"a": 1}):
        assert get_custom_objects() is dictionary


def test_registered_names_have_their_package() -> None:
    @register_keras_serializable("mine", name="half")
    def halve(x: float) -> float:
        return x / 2

    @register_keras_serializable()
    class Thing:
        def get_config(self) -> dict[str, object]:
            return {}

    assert get_registered_name(halve) == "mine>half"
    assert get_registered_object("mine>half") is halve
    assert get_registered_name(Thing) == "Custom>Thing"
    assert get_registered_name(dict) == "dict"


def test_a_class_without_a_config_cannot_be_registered() -> None:
    class Thing:
        pass

    with pytest.raises(ArgumentError, match=r"(?s)get_config.*Thing"):
        register_keras_serializable()(Thing)


def test_the_nearer_table_wins() -> None:
    with CustomObjectScope({"a": "scope"}):
        assert get_registered_object("a", {"a": "argument"}, {"a": "module"}) == "argument"
        assert get_registered_object("a", None, {"a": "module"}) == "scope"
    assert get_registered_object("a", None, {"a": "module"}) == "module"
