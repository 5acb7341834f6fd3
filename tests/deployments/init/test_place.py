"""What people give ``init``: URLs, files, folders, patterns."""

from __future__ import annotations

import gzip
import json
import sqlite3
from pathlib import Path

import httpx
import pytest

from deployments.init.place import Place, find_place
from deployments.init.store_probe import name_store
from tasks.errors import NotFoundError, SourceError, UsageError

_OTLP = json.dumps({"resourceSpans": []}) + "\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_database_is_known_by_its_content(folder: Path) -> None:
    sqlite3.connect(folder / "agents").execute("CREATE TABLE runs (id)").connection.close()
    place = find_place("agents")
    assert place == Place(f"sqlite:///{folder}/agents", "sql")
    assert place.seen_from(folder) == "sqlite:///agents"
    assert place.seen_from(folder / "below") == f"sqlite:///{folder}/agents"
    assert find_place("sqlite:///agents") == place


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("postgresql://me:secret@host/db", "sql"),
        ("jaeger+http://host:16686", "traces"),
        ("langfuse+https://key:secret@host", "traces"),
        ("s3://bucket/runs/*.parquet", "files"),
    ],
)
def test_urls_stay_as_they_are(url: str, kind: str) -> None:
    place = find_place(url)
    assert (place.url, place.kind) == (url, kind)
    assert place.seen_from(Path()) == url


def test_a_web_address_is_asked_what_it_is() -> None:
    assert find_place("http://host:6006").probe
    assert not find_place("http://host/runs.parquet").probe
    assert not find_place("http://host/runs.jsonl.gz?signature=a").probe


def test_files_folders_and_patterns(folder: Path) -> None:
    (folder / "runs").mkdir()
    (folder / "runs" / "a.jsonl").write_text('{"id": 1}\n')
    assert find_place("runs") == Place(f"{folder}/runs", "files")
    assert find_place("runs/*.jsonl") == Place(f"{folder}/runs/*.jsonl", "files")
    assert find_place("runs/a.jsonl").seen_from(folder) == "runs/a.jsonl"


def test_otlp_is_known_by_its_content(folder: Path) -> None:
    (folder / "traces").mkdir()
    (folder / "traces" / "spans.json").write_text(_OTLP)
    with gzip.open(folder / "more.json.gz", "wt") as file:
        file.write(_OTLP)
    assert find_place("traces") == Place(f"otlp:{folder}/traces", "traces")
    assert find_place("traces/*.json") == Place(f"otlp:{folder}/traces/*.json", "traces")
    assert find_place("more.json.gz") == Place(f"otlp:{folder}/more.json.gz", "traces")
    assert find_place("otlp:traces/spans.json").seen_from(folder) == "otlp:traces/spans.json"


def test_a_folder_of_binary_otlp_is_known(folder: Path) -> None:
    (folder / "traces").mkdir()
    (folder / "traces" / "a.bin").write_bytes(b"anything else")
    with pytest.raises(NotFoundError, match="no file that can be read"):
        find_place("traces")
    (folder / "traces" / "spans.pb").write_bytes(b"\0\0\0\2\x0a\0")
    assert find_place("traces") == Place(f"otlp:{folder}/traces", "traces")


def test_what_is_not_there_or_unreadable_is_refused(folder: Path) -> None:
    (folder / "empty").mkdir()
    (folder / "notes.txt").write_text("hello")
    for given in ("none", "*.jsonl", "empty"):
        with pytest.raises(NotFoundError, match=r"does not exist|no file"):
            find_place(given)
    with pytest.raises(UsageError, match=r"notes\.txt: is neither"):
        find_place("notes.txt")


def test_an_empty_folder_is_refused_with_what_can_be_read(folder: Path) -> None:
    (folder / "empty").mkdir()
    with pytest.raises(NotFoundError, match=r"jsonl, .*traces as OTLP, also as \.gz or \.zst"):
        find_place("empty")


def _server(**answers: httpx.Response) -> httpx.MockTransport:
    by_path = {f"/{path.replace('__', '/')}": answer for path, answer in answers.items()}
    return httpx.MockTransport(lambda request: by_path.get(request.url.path, httpx.Response(404)))


def test_stores_are_recognized_by_how_they_answer() -> None:
    url = "http://host:1234"
    served = {
        "phoenix": {"v1__projects": httpx.Response(200, json={"data": [], "next_cursor": None})},
        "jaeger": {"api__services": httpx.Response(200, json={"data": ["a"], "total": 1})},
        "langfuse": {"api__public__health": httpx.Response(200, json={"status": "OK", "version": "3"})},
        "tempo": {"api__echo": httpx.Response(200, text="echo")},
        "mlflow": {"version": httpx.Response(200, text="3.18.0"), "health": httpx.Response(200, text="OK")},
    }
    for kind, answers in served.items():
        assert name_store(url, transport=_server(**answers)) == f"{kind}+{url}"


def test_an_unknown_store_is_refused_without_its_password() -> None:
    with pytest.raises(SourceError, match=r"http://host answers, but not as a store") as refused:
        name_store("http://me:hunter2@host", transport=_server())
    assert "hunter2" not in str(refused.value)


def test_credentials_go_with_the_question() -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json={"data": []})

    named = name_store("http://me:secret@host", {"x-tenant": "a"}, transport=httpx.MockTransport(answer))
    assert named == "phoenix+http://me:secret@host"
    assert seen[0].headers["x-tenant"] == "a"
    assert seen[0].headers["authorization"].startswith("Basic ")
