"""The architecture of models as text: JSON and YAML, as Keras 2 writes them and as both Keras 2 and 3 read them."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from kgraph.errors import ArgumentTypeError, FileError, describe
from kgraph.keras.layers import registry
from kgraph.keras.saving.dialects import KERAS2, write_model
from kgraph.keras.saving.hdf5.weights_file import KERAS_VERSION
from kgraph.keras.saving.limits import DEPTH, parse_json, refuse_twice
from kgraph.keras.saving.rebuild import rebuild
from kgraph.keras.utils.custom_objects import Objects

NUMBERS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")
LONGEST_NUMBER = 400
"""Characters of a number in YAML, which no float needs."""


def architecture(model: Any) -> dict[str, Any]:
    """What the texts say: the class, its configuration, and which Keras it is for.

    Raises UnsupportedError for a subclassed model without a configuration, and for what is not plain data.
    """
    return {**write_model(registry.serialize(model), KERAS2), "keras_version": KERAS_VERSION}


def to_json(model: Any, **kwargs: Any) -> str:
    """The architecture as JSON; `kwargs` are those of `json.dumps`."""
    return json.dumps(architecture(model), **kwargs)


def to_yaml(model: Any, **kwargs: Any) -> str:
    """The architecture as YAML; `kwargs` are those of `yaml.safe_dump`."""
    import yaml

    return str(yaml.safe_dump(architecture(model), **kwargs))


def model_from_config(config: Any, custom_objects: Objects | None = None, safe_mode: bool = True) -> Any:
    """A new model, with new weights, from {"class_name", "config"} in the form of any Keras.

    Raises ArgumentTypeError for a bare list, FileError for what describes no model, ArgumentError for unknown names.
    """
    if isinstance(config, list):
        raise ArgumentTypeError(
            describe(
                "model_from_config", expected="a dict; a list is for Sequential.from_config", got="a list"
            )
        )
    return rebuild(config, custom_objects, safe_mode)


def model_from_json(
    json_string: str | bytes, custom_objects: Objects | None = None, safe_mode: bool = True
) -> Any:
    """A new model, with new weights, from what `to_json` gave, here or in any Keras.

    Raises FileError for what is not JSON or describes no model, ArgumentError for unknown names.
    """
    return rebuild(parse_json(json_string), custom_objects, safe_mode)


def model_from_yaml(
    yaml_string: str | bytes, custom_objects: Objects | None = None, safe_mode: bool = True
) -> Any:
    """A new model, with new weights, from what `to_yaml` gave, here or in any Keras.

    Tags of Python objects are refused, but for tuples, which Keras 2 wrote. Raises what `model_from_json` raises.
    """
    return rebuild(parse_yaml(yaml_string), custom_objects, safe_mode)


def parse_yaml(text: str | bytes) -> Any:
    """What a YAML text says. Raises FileError for what is not YAML, is nested too deeply, or names Python objects."""
    import yaml

    loader = _loader()
    try:
        depth = 0
        # A state machine, which does not recurse as loading does.
        for event in yaml.parse(text, Loader=loader):
            depth += isinstance(event, yaml.CollectionStartEvent)
            depth -= isinstance(event, yaml.CollectionEndEvent)
            if depth > DEPTH:
                raise FileError(
                    describe("a configuration is nested too deeply", expected=f"at most {DEPTH} levels")
                )
        return yaml.load(text, Loader=loader)  # a safe loader, and tuples
    except FileError:
        raise
    except (yaml.YAMLError, ValueError) as error:  # ValueError also for dates and numbers that cannot be
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or str(error).splitlines()[0][:300]
        where = f"line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise FileError(describe("a configuration is not YAML", got=problem, where=where)) from None


@cache
def _loader() -> Any:
    """The safe loader of yaml, which also knows tuples, and refuses what takes more work than its text is long.

    Such are keys that are tuples of tuples, for their hashes, and merged mappings, when both are made of aliases, and
    endless numbers to the base of 60. Keys are strings, each once.
    """
    import yaml

    class Loader(yaml.SafeLoader):
        def construct_mapping(self, node: Any, deep: bool = False) -> Any:
            for key, _ in node.value:
                if key.tag != "tag:yaml.org,2002:str":
                    raise yaml.constructor.ConstructorError(None, None, "a key is no string", key.start_mark)
            refuse_twice([key.value for key, _ in node.value])
            return super().construct_mapping(node, deep)

        def construct_scalar(self, node: Any) -> Any:
            if len(node.value) > LONGEST_NUMBER and node.tag in NUMBERS:
                raise yaml.constructor.ConstructorError(None, None, "a number is too long", node.start_mark)
            return super().construct_scalar(node)

    Loader.add_constructor(
        "tag:yaml.org,2002:python/tuple",
        lambda loader, node: tuple(loader.construct_sequence(node, deep=True)),
    )
    return Loader
