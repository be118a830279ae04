"""get_file: a cache laid out as Keras's, nothing in it that is not whole, and one clear error for each mishap."""

from __future__ import annotations

import hashlib
import http.server
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from kgraph.errors import ArgumentError, DownloadError, FileError
from kgraph.keras import utils
from kgraph.keras.utils import download, get_file

DATA = bytes(range(256)) * 1000
MD5, SHA256 = hashlib.md5(DATA).hexdigest(), hashlib.sha256(DATA).hexdigest()


class Server(http.server.ThreadingHTTPServer):
    """Counts what it was asked for; `/short` promises more than it gives."""

    asked: list[str]


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        path = self.path.partition("?")[0]
        if path == "/moved":
            self.send_response(302)
            self.send_header("Location", "file:///etc/passwd")
            self.end_headers()
            return
        if path not in ("/data.bin", "/short", "/unknown", "/silent"):
            self.send_error(404)
            return
        self.send_response(200)
        if path != "/unknown":
            self.send_header("Content-Length", str(len(DATA) + (path == "/short")))
        self.end_headers()
        if path == "/silent":
            self.rfile.read()  # until the other side has had enough
        else:
            self.wfile.write(DATA)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(("127.0.0.1", 0), Handler) as server:
        server.asked, server.daemon_threads = [], True
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("no_proxy", "*")
    return tmp_path / "home"


def url(server: Server, path: str) -> str:
    return f"http://127.0.0.1:{server.server_port}{path}"


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_file_is_downloaded_once_to_where_keras_keeps_it(
    server: Server, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):
        path = get_file("mine.bin", url(server, "/data.bin"), file_hash=SHA256)
        assert path == str(home / "datasets" / "mine.bin")
        assert Path(path).read_bytes() == DATA
    assert server.asked == ["/data.bin"]
    assert files(home) == ["datasets/mine.bin"]
    shown = capsys.readouterr().out
    assert shown.startswith(f"Downloading data from {url(server, '/data.bin')}\n")
    assert f"{len(DATA)}/{len(DATA)} [====" in shown


def test_the_name_is_that_of_the_url_without_its_query(server: Server, home: Path) -> None:
    assert get_file(origin=url(server, "/data.bin?version=2")) == str(home / "datasets" / "data.bin")


def test_the_place_can_be_chosen(server: Server, tmp_path: Path) -> None:
    origin = url(server, "/data.bin")
    assert get_file("a", origin, cache_dir=tmp_path / "b", cache_subdir="c/d") == str(tmp_path / "b/c/d/a")
    assert get_file("a", origin, cache_subdir=tmp_path / "e") == str(tmp_path / "e/a")
    assert get_file(Path("f"), origin, cache_subdir="") == str(tmp_path / "home" / "f")


def test_a_cache_that_cannot_be_written_to_is_replaced(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "temporary_home", lambda: tmp_path / "instead")
    in_the_way = tmp_path / "file"
    in_the_way.touch()
    assert get_file("a", url(server, "/data.bin"), cache_dir=in_the_way) == str(
        tmp_path / "instead/datasets/a"
    )


def test_a_size_that_is_not_known_is_no_matter(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    assert Path(get_file("a", url(server, "/unknown"))).read_bytes() == DATA
    assert f"{len(DATA)}/Unknown" in capsys.readouterr().out


@pytest.mark.parametrize(
    "right", [{"file_hash": SHA256}, {"file_hash": MD5.upper()}, {"file_hash": MD5, "hash_algorithm": "md5"}]
)
def test_a_right_hash_is_taken(server: Server, right: dict[str, str]) -> None:
    for _ in range(2):
        get_file("a", url(server, "/data.bin"), **right)
    assert len(server.asked) == 1


def test_the_old_spelling_of_the_hash_warns(server: Server) -> None:
    with pytest.warns(DeprecationWarning, match="file_hash"):
        get_file("a", url(server, "/data.bin"), md5_hash=MD5)
    with pytest.warns(DeprecationWarning, match="file_hash"), pytest.raises(FileError):
        get_file("b", url(server, "/data.bin"), md5_hash="0" * 32)


@pytest.mark.parametrize("wrong", ["0" * 64, "0" * 32])
def test_a_wrong_hash_is_an_error_and_leaves_nothing(server: Server, home: Path, wrong: str) -> None:
    with pytest.raises(FileError, match=wrong):
        get_file("a", url(server, "/data.bin"), file_hash=wrong)
    assert files(home) == []


def test_a_cached_file_with_another_hash_is_downloaded_again(server: Server, home: Path) -> None:
    (home / "datasets").mkdir(parents=True)
    cached = home / "datasets" / "a"
    cached.write_bytes(b"old")
    assert get_file("a", url(server, "/data.bin")) == str(cached)
    assert cached.read_bytes() == b"old"
    with pytest.raises(FileError):
        get_file("a", url(server, "/data.bin"), file_hash="0" * 64)
    assert cached.read_bytes() == b"old"
    get_file("a", url(server, "/data.bin"), file_hash=SHA256)
    assert cached.read_bytes() == DATA


def test_a_download_can_be_forced(server: Server) -> None:
    for _ in range(2):
        get_file("a", url(server, "/data.bin"), force_download=True)
    assert len(server.asked) == 2


@pytest.mark.parametrize(
    ("path", "says"), [("/missing", "404"), ("/short", "256000 of 256001 bytes"), ("/moved", "302")]
)
def test_a_failed_download_is_an_error_and_leaves_nothing(
    server: Server, home: Path, path: str, says: str
) -> None:
    with pytest.raises(DownloadError, match=says) as caught:
        get_file("a", url(server, path))
    assert isinstance(caught.value, OSError)
    assert path in str(caught.value)
    assert files(home) == []


def test_a_silent_server_is_given_up(server: Server, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "SILENCE", 0.2)
    with pytest.raises(DownloadError, match="timed out"):
        get_file("a", url(server, "/silent"))
    assert files(home) == []


def test_no_server_is_an_error() -> None:
    with pytest.raises(DownloadError, match="refused"):
        get_file("a", "http://127.0.0.1:1/a")


def test_a_download_cut_short_leaves_nothing_and_the_next_starts_again(
    server: Server, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(utils.Progbar, "update", lambda *args, **kwargs: _interrupt())
        with pytest.raises(KeyboardInterrupt):
            get_file("a", url(server, "/data.bin"))
    assert files(home) == []
    assert Path(get_file("a", url(server, "/data.bin"))).read_bytes() == DATA


def _interrupt() -> None:
    raise KeyboardInterrupt


def test_files_of_this_machine_are_copied(tmp_path: Path, home: Path) -> None:
    source = tmp_path / "source.bin"
    source.write_bytes(DATA)
    assert Path(get_file(origin=source.as_uri(), file_hash=SHA256)).read_bytes() == DATA
    with pytest.raises(DownloadError, match="missing"):
        get_file(origin=(tmp_path / "missing").as_uri())


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"origin": None}, "origin"),
        ({"origin": "/etc/passwd"}, "file"),
        ({"origin": "gopher://a/b"}, "gopher"),
        ({"origin": "http://a/"}, "fname"),
        ({"origin": "http://a/.."}, "fname"),
        ({"origin": "http://a/b", "fname": "../b"}, "fname"),
        ({"origin": "http://a/b", "fname": "c\\b"}, "fname"),
        ({"origin": "http://a/b", "fname": os.path.abspath("b")}, "fname"),
        ({"origin": "http://a/b", "file_hash": "12"}, "32 hexadecimal digits or 64"),
        ({"origin": "http://a/b", "file_hash": SHA256, "hash_algorithm": "md5"}, "32 hexadecimal digits"),
        ({"origin": "http://a/b", "file_hash": "z" * 64}, "hexadecimal"),
        ({"origin": "http://a/b", "hash_algorithm": "crc32"}, "sha256"),
        ({"origin": "http://a/b", "archive_format": "rar"}, "rar"),
    ],
)
def test_mistakes_are_named_before_anything_is_done(
    home: Path, arguments: dict[str, str | None], says: str
) -> None:
    with pytest.raises(ArgumentError, match=says):
        get_file(**arguments)  # type: ignore[arg-type]
    assert not home.exists() or files(home) == []
