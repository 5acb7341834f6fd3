"""``agent-report show ID --html``: the page of a report, from the warehouse alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from deployments.commands.page import print_place, save_page
from deployments.labelling.command import LabelOrder, run_label
from deployments.terminal.console import open_console
from tasks.connecting import open_clients
from tasks.errors import RefusedError
from tasks.stored import page as stored_page


def find_page(report_id: int) -> str:
    """Where the page is, by clients of its own."""
    with open_clients():
        return stored_page.find_page(report_id)


@pytest.fixture
def report_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    """A report that is written, without agents."""
    monkeypatch.setenv("AGENT_REPORT_WAREHOUSE_URL", f"sqlite:///{tmp_path / 'warehouse.db'}")
    monkeypatch.setenv("AGENT_REPORT_PARQUET_URL", str(tmp_path / "parquet"))
    with open_clients() as clients:
        warehouse = clients.warehouse()
        made = warehouse.create_report({"environment": "demo", "name": "Weekly"})
        warehouse.write_report(made, {"status": "completed", "team_score": 7.5, "team_passed": True}, [], [], [])
    return made


def test_a_file_is_written_whole_and_replaced(
    report_id: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "report.html"
    for _ in range(2):
        save_page(report_id, str(target))
        html = target.read_text(encoding="utf-8")
        assert html.startswith("<!doctype html>")
        assert html.endswith("</html>")
    assert "7.5<small> of 10" in html
    printed = capsys.readouterr()
    # Nothing on stdout: the message is for people.
    assert printed.out == ""
    assert f"The page of report {report_id}: {target}" in printed.err
    assert [path.name for path in tmp_path.glob("*report*")] == ["report.html"]
    other = tmp_path / "other"
    other.touch()
    assert target.stat().st_mode == other.stat().st_mode


@pytest.mark.parametrize(
    ("prepare", "target", "words"),
    [
        (lambda folder: (folder / "out").mkdir(), "out", "is a folder: name a file in it, such as "),
        (lambda folder: (folder / "notes.txt").write_text("mine"), "notes.txt", "exists and is not an .html file"),
        (lambda folder: None, "nowhere/report.html", "No such file or directory"),
    ],
)
def test_what_cannot_be_written_is_refused(
    prepare: Callable[[Path], object], target: str, words: str, report_id: int, tmp_path: Path
) -> None:
    prepare(tmp_path)
    before = sorted(path.name for path in tmp_path.iterdir())
    with pytest.raises(RefusedError, match=words):
        save_page(report_id, str(tmp_path / target))
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_a_report_that_is_not_there_writes_nothing(report_id: int, tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match=f"no report {report_id + 1} in .*: `agent-report list`"):
        save_page(report_id + 1, str(tmp_path / "report.html"))
    assert not (tmp_path / "report.html").exists()


def test_where_the_page_is_or_how_to_get_it(report_id: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert find_page(report_id) == find_page(999) == ""
    print_place(open_console(), report_id)
    assert f"agent-report show {report_id} --html report.html` creates it" in capsys.readouterr().out
    page = tmp_path / "parquet" / "pages" / "demo" / f"{report_id}.html"
    page.parent.mkdir(parents=True)
    page.write_text("x")
    assert find_page(report_id) == str(page)
    print_place(open_console(), report_id)
    assert f"Page: {page}" in capsys.readouterr().out


def test_the_page_shows_the_agreement_of_the_labels_that_there_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write_label_report: Callable[..., str]
) -> None:
    monkeypatch.setenv("AGENT_REPORT_WAREHOUSE_URL", write_label_report(tmp_path))
    lines = [f"id:{agent},accuracy,{6 + agent % 3},ana" for agent in range(1, 7)]
    (tmp_path / "labels.csv").write_text("\n".join(["agent,criterion,score,labeler", *lines]) + "\n")
    run_label(LabelOrder(1, csv=tmp_path / "labels.csv"))
    save_page(1, str(tmp_path / "report.html"))
    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "6 labels of 1 person" in html
    assert "has not been compared with people" not in html
