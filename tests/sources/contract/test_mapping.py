"""The mapping file: what it may hold, and which mistakes are named."""

from __future__ import annotations

from pathlib import Path

import pytest

from tasks.errors import ConfigurationError
from tasks.sources.contract.mapping import SourceMapping, load_mapping, parse_mapping

_WHERE = "AGENT_REPORT_SOURCE_MAPPING=source.yaml"


def test_a_whole_mapping() -> None:
    mapping = parse_mapping(
        """
        runs: |
          SELECT uid AS id, bot AS agent FROM conversations;  -- newest last
        agents: SELECT slug AS id FROM bots
        environments: SELECT DISTINCT stage AS environment FROM conversations
        steps: SELECT * FROM steps
        signals: SELECT * FROM signals
        statuses: {completed: [ok, solved, 200, on], failed: broke, unfinished: }
        """,
        _WHERE,
    )
    assert mapping.runs == "SELECT uid AS id, bot AS agent FROM conversations"
    assert mapping.statuses == {"completed": ("ok", "solved", "200", "true"), "failed": ("broke",)}
    assert mapping.known_statuses.outcome("200") == "completed"


def test_one_environment_by_its_name() -> None:
    assert parse_mapping("runs: SELECT 1\nenvironment: production", _WHERE).environment == "production"
    assert parse_mapping("runs: SELECT 1\nenvironment: 7", _WHERE).environment == "7"


def test_no_mapping_and_an_empty_one_are_the_same(tmp_path: Path) -> None:
    (tmp_path / "source.yaml").write_text("# nothing yet\n")
    empty = load_mapping(str(tmp_path / "source.yaml"))
    assert load_mapping("").model_dump() == empty.model_dump() == SourceMapping().model_dump()
    assert load_mapping("").where == "AGENT_REPORT_SOURCE_MAPPING"
    assert empty.where == f"AGENT_REPORT_SOURCE_MAPPING={tmp_path / 'source.yaml'}"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("runs: [", r"source\.yaml: is no YAML in line 1"),
        ("SELECT 1", "write keys such as runs: and statuses:, not 'SELECT 1'"),
        ("run: SELECT 1", "there is no run: did you mean runs"),
        ("tables: {}", "there is no tables: there is runs, agents"),
        ("runs: DROP TABLE x", "runs: write a SELECT .*not DROP"),
        ("runs: SELECT 1; SELECT 2", "runs: write one SELECT"),
        ("runs: {a: 1}", "runs: Input should be a valid string"),
        ("agents: SELECT 1", "agents needs runs beside it"),
        ("environment: a", "environment needs runs beside it"),
        ("{runs: SELECT 1, environment: a, environments: SELECT 2}", "environments .* or environment .*, not both"),
        ("statuses: {success: [ok]}", "statuses: there is no success: did you mean completed"),
        ("statuses: {other: [ok]}", "statuses: there is no other: there is completed, failed and unfinished"),
        ("statuses: {completed: [a], failed: [A]}", "A is both completed and failed"),
        ("statuses: [ok]", "statuses: "),
    ],
)
def test_mistakes_are_named(text: str, reason: str) -> None:
    with pytest.raises(ConfigurationError, match=reason) as raised:
        parse_mapping(text, _WHERE)
    assert str(raised.value).startswith(_WHERE)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"absent\.yaml: cannot be read: No such file"):
        load_mapping(str(tmp_path / "absent.yaml"))
    (tmp_path / "source.yaml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigurationError, match="it is not UTF-8"):
        load_mapping(str(tmp_path / "source.yaml"))
