"""What programs written for TensorFlow 1 ask of sessions: to run tensors, and to be cleared."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from kgraph.errors import ArgumentTypeError, describe
from kgraph.keras.backend.control import set_learning_phase
from kgraph.keras.backend.function import Function
from kgraph.keras.dtype_policies import set_dtype_policy
from kgraph.keras.tensor import Tensor
from kgraph.keras.utils.naming import reset_uids
from kgraph.keras.utils.warn import warn_user


class Session:
    """Runs tensors. It owns nothing: variables have their values without it, and devices are chosen by `kgraph.config`.

    There is one, which `get_session` gives; `with` and `close` change nothing.
    """

    def __init__(self) -> None:
        self._functions: dict[Any, Function] = {}

    def run(self, fetches: Any, feed_dict: Mapping[Any, Any] | None = None) -> Any:
        """The values of tensors, for values of the placeholders (or other tensors) in `feed_dict`.

        `fetches` is a tensor, or a list, tuple or dict of such. Functions are compiled once for the same tensors.
        Raises ArgumentTypeError for what is no tensor, among them operations of TensorFlow.
        """
        feeds = {tensor: value for tensor, value in (feed_dict or {}).items() if isinstance(tensor, Tensor)}
        for fed in feed_dict or {}:
            if not isinstance(fed, Tensor | int):  # a learning phase that was set is a number
                raise ArgumentTypeError(describe("feed_dict", expected="tensors as keys", got=repr(fed)))
        tensors = list(fetches.values()) if isinstance(fetches, Mapping) else fetches
        single = not isinstance(tensors, list | tuple)
        wanted = [tensors] if single else list(tensors)
        for tensor in wanted:
            if not isinstance(tensor, Tensor):
                raise ArgumentTypeError(
                    describe("a session runs tensors of kgraph.keras", expected="a tensor", got=repr(tensor))
                )
        key = tuple(feeds), tuple(wanted)
        if key not in self._functions:
            self._functions[key] = Function(list(feeds), wanted)
        values = self._functions[key](list(feeds.values()))
        if isinstance(fetches, Mapping):
            return dict(zip(fetches, values, strict=True))
        return values[0] if single else values

    def as_default(self) -> Self:
        return self

    def close(self) -> None: ...

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None: ...


_session = Session()


def get_session() -> Session:
    """The one session."""
    return _session


def set_session(session: Any) -> None:
    """Change nothing, with a warning unless it is the session that there is: there are no options to take over."""
    if session is not _session:
        warn_user(
            "K.set_session does nothing: there are no sessions, and kgraph.config chooses the device; got "
            f"{type(session).__name__}"
        )


def clear_session() -> None:
    """Begin the numbers in names again; forget what was run, and a learning phase and a dtype policy that were set."""
    reset_uids()
    set_dtype_policy(None)
    set_learning_phase(None)
    _session._functions.clear()
