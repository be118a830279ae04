"""What dtype a layer keeps its weights in, and in what dtype it computes: one dtype, or mixed precision.

With the policy "mixed_float16" weights are float32; a layer casts them and its floating-point inputs to float16 and
computes in that, except where sums need more: normalisations compute in float32, embeddings are looked up in it, and
losses, metrics and optimizers see float32 alone. Micikevicius et al., "Mixed precision training", 2018.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from kgraph.errors import ArgumentError, ArgumentTypeError, describe
from kgraph.ir.types import DTYPES
from kgraph.keras import settings
from kgraph.keras.utils.warn import warn_user

_MIXED = {"mixed_float16": "float16", "mixed_bfloat16": "float32"}
"""What is computed in. Few runtimes compute in bfloat16; float32 holds all its numbers."""


class DTypePolicy:
    """A dtype policy: "mixed_float16", "mixed_bfloat16" or the name of a dtype; without a name the global policy.

    "mixed_bfloat16" is kept by that name, and computes in float32.
    Raises ArgumentError for other names, ArgumentTypeError for what is no name.
    """

    def __init__(self, name: str | None = None) -> None:
        self.name = dtype_policy().name if name is None else name
        if not isinstance(self.name, str):
            raise ArgumentTypeError(
                describe("bad dtype policy", expected='a name such as "mixed_float16"', got=repr(name))
            )
        if self.name not in _MIXED and self.name not in DTYPES:
            raise ArgumentError(
                describe(
                    "unknown dtype policy", expected=f"a dtype or one of {', '.join(_MIXED)}", got=repr(name)
                )
            )
        if self.name == "mixed_bfloat16":
            warn_user("mixed_bfloat16 computes in float32: runtimes have few operators for bfloat16")

    @property
    def compute_dtype(self) -> str:
        """The dtype of what a layer computes."""
        return _MIXED.get(self.name, self.name)

    @property
    def variable_dtype(self) -> str:
        """The dtype of a layer's weights."""
        return "float32" if self.name in _MIXED else self.name

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> DTypePolicy:
        return cls(**config)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DTypePolicy) and other.name == self.name

    def __hash__(self) -> int:
        return hash(self.name)

    def __repr__(self) -> str:
        return f'<DTypePolicy "{self.name}">'


FloatDTypePolicy = Policy = DTypePolicy
"""Older names of the same."""

_global: DTypePolicy | None = None


def dtype_policy() -> DTypePolicy:
    """The policy of layers that are not given one: what was set, otherwise floatx."""
    return DTypePolicy(settings.floatx()) if _global is None else _global


def set_dtype_policy(policy: Any) -> None:
    """Set the policy of the layers that are made from now on; None for floatx."""
    global _global
    _global = None if policy is None else get(policy)


def given_or_set(policy: Any) -> DTypePolicy | None:
    """The policy for a layer's argument `dtype`; without one that which was set, or None where floatx will do."""
    return _global if policy is None else get(policy)


def get(identifier: Any) -> DTypePolicy:
    """The policy for a policy, its name, a dtype of NumPy, or a policy as it stands in files; None is the global one.

    Raises ArgumentError for unknown names, ArgumentTypeError for anything else.
    """
    if identifier is None:
        return dtype_policy()
    if isinstance(identifier, DTypePolicy):
        return identifier
    if isinstance(identifier, Mapping):
        return DTypePolicy.from_config(identifier.get("config", identifier))
    if isinstance(identifier, str):
        return DTypePolicy(identifier)
    try:
        return DTypePolicy(np.dtype(identifier).name)
    except TypeError:
        raise ArgumentTypeError(
            describe("bad dtype policy", expected="a policy, a name or a dtype", got=repr(identifier))
        ) from None
