"""`RemoteMonitor`: sends the numbers of each epoch to a server."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

from kgraph.errors import ArgumentError, describe
from kgraph.keras.callbacks.base import Callback, Logs
from kgraph.keras.saving.plain import to_json_text
from kgraph.keras.utils.warn import warn_user

_SECONDS = 10.0
"""How long training waits for the server, which it does after every epoch."""


class RemoteMonitor(Callback):
    """Post the numbers of each epoch, and `epoch` (from 0), to a server, as HUALOS expects them.

    root, path    together the address, of http or https
    field         the field of a form that has the numbers as JSON
    headers       headers of the request, or None
    send_as_json  send JSON alone (`application/json`) in place of a form

    A server that is out of reach gives one warning for each training; training goes on.
    Raises ArgumentError for another kind of address.
    """

    def __init__(
        self,
        root: str = "http://localhost:9000",
        path: str = "/publish/epoch/end/",
        field: str = "data",
        headers: Mapping[str, str] | None = None,
        send_as_json: bool = False,
    ) -> None:
        super().__init__()
        if not root.startswith(("http://", "https://")):
            raise ArgumentError(
                describe("RemoteMonitor: bad root", expected="http://… or https://…", got=repr(root))
            )
        self.root, self.path, self.field = root, path, field
        self.headers, self.send_as_json = headers, send_as_json
        self._warned = False

    def on_train_begin(self, logs: Logs = None) -> None:
        self._warned = False

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        try:
            with urlopen(self._request({"epoch": epoch, **(logs or {})}), timeout=_SECONDS):
                pass
        except HTTPError as error:
            self._warn(f"the server at {self.root} answers {error.code} {error.reason}")
            error.close()
        except OSError as error:
            self._warn(f"could not reach the server at {self.root}: {error}")

    def _request(self, numbers: Mapping[str, Any]) -> Request:
        text = to_json_text(numbers)
        body = text if self.send_as_json else urlencode({self.field: text})
        kind = "application/json" if self.send_as_json else "application/x-www-form-urlencoded"
        headers = {"Content-Type": kind, **(self.headers or {})}
        return Request(self.root + self.path, body.encode(), headers, method="POST")

    def _warn(self, what: str) -> None:
        if not self._warned:
            self._warned = True
            warn_user(f"RemoteMonitor: {what}", RuntimeWarning)
