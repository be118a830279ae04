"""`RemoteMonitor` against a server of its own."""

from __future__ import annotations

import json
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.parse import parse_qs

import numpy as np
import pytest

from kgraph.keras.callbacks import LambdaCallback, RemoteMonitor
from tests.keras.training.small import X, Y, regression

Request = tuple[str, Any, bytes]


@contextmanager
def server(status: int = 200) -> Iterator[tuple[str, list[Request]]]:
    """The address of a server on this machine, and what was posted to it: path, headers, body."""
    posted: list[Request] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            posted.append((self.path, self.headers, body))
            self.send_response(status)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{running.server_port}", posted
        finally:
            running.shutdown()
            thread.join()


@pytest.mark.parametrize("as_json", [False, True])
def test_the_numbers_of_each_epoch_are_posted(as_json: bool) -> None:
    with server() as (root, posted):
        monitor = RemoteMonitor(root, "/here", "numbers", {"X-Token": "t"}, send_as_json=as_json)
        own = LambdaCallback(on_epoch_end=lambda epoch, logs: logs.update(own=np.float32(epoch)))
        history = regression().fit(X, Y, epochs=2, verbose=0, callbacks=[own, monitor]).history
    for epoch, (path, headers, body) in enumerate(posted):
        text = body.decode()
        sent = json.loads(text if as_json else parse_qs(text)["numbers"][0])
        assert sent == {"epoch": epoch, "loss": history["loss"][epoch], "own": float(epoch)}
        assert path == "/here"
        assert headers["X-Token"] == "t"
        kind = "application/json" if as_json else "application/x-www-form-urlencoded"
        assert headers["Content-Type"] == kind
    assert len(posted) == 2


def test_a_server_out_of_reach_is_told_once() -> None:
    with server() as (root, _):
        pass  # the port is free again, and nobody listens there
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        regression().fit(X, Y, epochs=3, verbose=0, callbacks=RemoteMonitor(root))
    assert [str(warning.message) for warning in caught if "could not reach" in str(warning.message)] == [
        str(caught[0].message)
    ]
    assert root in str(caught[0].message)
    assert caught[0].filename == __file__


def test_a_server_that_refuses_is_told() -> None:
    with server(403) as (root, _), pytest.warns(RuntimeWarning, match="answers 403"):
        regression().fit(X, Y, verbose=0, callbacks=RemoteMonitor(root))


@pytest.mark.parametrize("root", ["file:///etc", "localhost:9000", "ftp://host"])
def test_bad_addresses(root: str) -> None:
    with pytest.raises(ValueError, match="http"):
        RemoteMonitor(root)
