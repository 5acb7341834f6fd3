"""Every setting, once: report options with their defaults, and what only the environment may set (hosts, secrets)."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

from dotenv import dotenv_values
from pydantic import (
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_core import ErrorDetails, PydanticCustomError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict, SettingsError

from tasks.errors import ConfigurationError
from tasks.options import DEFAULT_JUDGE_MODEL, LONGEST_SECONDS, SIMULATED_JUDGE_MODEL, ReportOptions
from tasks.wire.trace_pages import TracePages, find_trace_pages

__all__ = ["DEFAULT_JUDGE_MODEL", "NO_ENV_FILE", "SIMULATED_JUDGE_MODEL", "ReportOptions", "Settings", "read_settings"]

_INSTRUCTION_TOKENS = 3_000
# As OpenAI recommends for a call, and two of them for an agent.
_FLEX_CALL_SECONDS = 900.0
_FLEX_AGENT_SECONDS = 1800.0
NO_ENV_FILE = "AGENT_REPORT_NO_ENV_FILE"
"""When this variable is set, ``.env`` is not read: settings come from the environment alone."""

_PREFIX = "AGENT_REPORT_"
# Not settings: `up` marks its processes with one, CI configures the tests with another.
_OTHER_VARIABLES = {NO_ENV_FILE, "AGENT_REPORT_STACK", "AGENT_REPORT_NO_SKIPS"}
# Kubernetes sets these in every container next to a service named agent-report.
_OF_KUBERNETES = re.compile(
    r"AGENT_REPORT_(SERVICE_(HOST|PORT(_\w+)?)|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)"
)
AlsoRedacted = Literal["ip_addresses", "dates_of_birth", "passport_numbers"]
_HARMLESS = (int, float, bool, float | None, list[AlsoRedacted])


class Settings(ReportOptions, BaseSettings):
    """The process's settings: ``AGENT_REPORT_*`` from the environment or ``.env``; every report option has one too."""

    model_config = SettingsConfigDict(
        env_prefix="AGENT_REPORT_",
        env_file=".env",
        env_ignore_empty=True,
        extra="ignore",
        hide_input_in_errors=True,
        populate_by_name=True,
    )

    source_url: SecretStr | None = Field(None, description="Database, store of traces, or files with agents and runs.")
    source_block: str = Field("", description="Name of a prefect-sqlalchemy SqlAlchemyConnector block, instead.")
    source_headers: dict[str, SecretStr] = Field(
        default_factory=dict, description='JSON object of headers for a store of traces, {"authorization": "Bearer …"}.'
    )
    source_preset: str = Field("", description="What the source's spans are: langfuse, langsmith or otel_traces.")
    source_mapping: str = Field("", description="YAML file with queries for agents and runs, and what statuses mean.")
    warehouse_url: SecretStr = Field(
        SecretStr("sqlite:///agent-report-data/warehouse.db"), description="SQLAlchemy URL of the warehouse."
    )
    warehouse_block: str = Field("", description="Name of a SqlAlchemyConnector block, instead.")
    warehouse_outage_seconds: float = Field(
        60,
        gt=0,
        le=LONGEST_SECONDS,
        description="How long the warehouse may be unavailable (unreachable, read-only, full) before a report fails.",
    )
    parquet_url: str = Field("agent-report-data/parquet", description="Folder or fsspec URL for Parquet files.")
    jaeger_url: SecretStr | None = Field(None, description="Base URL of Jaeger's query service; none: no traces.")
    jaeger_ui_url: str = Field("", description="Jaeger's UI as people reach it, for links to traces.")
    trace_url: str = Field(
        "",
        description="Page of a run's trace: a template with {trace_id}, a store such as jaeger+https://…, or off.",
    )
    jaeger_service: str = Field("station", description="Service whose spans carry the run's id.")
    jaeger_tag: str = Field("run.id", description="Tag that holds the run's id.")
    jaeger_headers: dict[str, SecretStr] = Field(
        default_factory=dict, description='JSON object of headers, {"x-tenant": "a"}.'
    )
    jaeger_timeout_seconds: float = Field(
        30, gt=0, le=LONGEST_SECONDS, description="Time limit of one request to Jaeger."
    )
    judge_call_timeout_seconds: float = Field(
        120, gt=0, le=LONGEST_SECONDS, description="Time limit of one call to the judge."
    )
    judge_max_attempts: int = Field(5, ge=1, description="Attempts of one call, over 5xx and broken connections.")
    judge_max_output_tokens: int = Field(8000, ge=256, description="Maximum tokens in one judge answer.")
    judge_temperature: float | None = Field(
        None, ge=0, le=2, allow_inf_nan=False, description="Sent when set, and only to models that accept one."
    )
    judge_requests_per_minute: int = Field(
        0, ge=0, description="Maximum judge calls per minute, retries included; 0: unlimited."
    )
    judge_headers: dict[str, SecretStr] = Field(
        default_factory=dict, description='JSON object of headers for the judge\'s endpoint, {"x-tenant": "a"}.'
    )
    judge_extra: dict[str, Any] = Field(
        default_factory=dict,
        description='JSON object that is merged into every request to the judge, {"reasoning_effort": "low"}.',
    )
    judge_context_tokens: int = Field(128_000, ge=4_000, description="Context window of the judge's model.")
    judge_guidance: str = Field(
        "", description="YAML file with guidance for the judge from people's labels (agent-report align writes it)."
    )
    judge_evidence_tokens: int = Field(
        0, ge=0, description="Tokens of evidence in one question; 0: what judge_context_tokens holds comfortably."
    )
    prices: dict[str, dict[str, float]] = Field(
        default_factory=dict,
        description='JSON object of own prices, USD per million tokens: {"my-model": {"input": 1, "output": 4}}.',
    )
    max_concurrent_evals_by_model: dict[str, Annotated[int, Field(ge=0, le=1000)]] = Field(
        default_factory=dict, description='JSON object of judge calls at once by model, {"gpt-5.4": 3}.'
    )
    redact: bool = Field(True, description="Replace secrets and personal data in agents' texts before anything else.")
    redact_patterns: dict[str, str] = Field(
        default_factory=dict,
        description='JSON object of own regular expressions by label, {"customer": "K-[0-9]{6}"}.',
    )
    redact_also: Annotated[list[AlsoRedacted], NoDecode] = Field(
        [], description="More kinds to replace: ip_addresses, dates_of_birth, passport_numbers."
    )
    redact_hook: str = Field("", description="Own code, module:function, text to text, after all patterns.")
    judge_key_block: str = Field("", description="Name of a Secret block with the judge's key, instead.")
    judge_headers_block: str = Field("", description="Name of a Secret block with the judge's headers, instead.")
    judge_entra_scope: str = Field(
        "",
        description="Scope of a Microsoft Entra token that is sent instead of a key, "
        "https://cognitiveservices.azure.com/.default.",
    )
    environment: str = Field("production", min_length=1, description="Environment that nightly reports on.")
    clone: str = Field("", description="Folder in which workers find the flows; empty: where this package is.")
    notify_block: str = Field("", description="Notification block, type/name, for reports that need attention.")
    webhook_secrets: list[SecretStr] = Field(
        default_factory=list,
        description='JSON array of secrets of Standard Webhooks, ["whsec_…"]; any of them is accepted.',
    )
    webhook_github_secrets: list[SecretStr] = Field(
        default_factory=list, description="JSON array of secrets of GitHub's webhooks; any of them is accepted."
    )
    webhook_environments: list[str] = Field(
        default_factory=list, description="JSON array of environments that webhooks may order; empty: all."
    )
    webhook_parameters: list[str] = Field(
        default_factory=list,
        description='JSON array of parameters that webhooks may give, ["name", "options.since"]; empty: all.',
    )
    webhook_deployment: str = Field(
        "generate_report/on-webhook", pattern="^[^/]+/[^/]+$", description="Deployment that webhooks run, flow/name."
    )
    webhook_deliveries_per_minute: int = Field(
        60, ge=1, le=100_000, description="Maximum signed deliveries per minute."
    )
    webhook_reads_per_minute: int = Field(600, ge=1, le=100_000, description="Maximum signed reads per minute.")
    webhook_failures_per_minute: int = Field(
        60, ge=1, le=100_000, description="Requests without a valid signature per minute; above it 429 and no log line."
    )
    openai_base_url: str = Field("", validation_alias="OPENAI_BASE_URL")
    openai_api_key: SecretStr | None = Field(None, validation_alias="OPENAI_API_KEY")

    @field_validator("*", mode="before")
    @classmethod
    def _strip(cls, value: object, info: ValidationInfo) -> object:
        # A place that was pasted with a blank or a line break, with which none begins or ends.
        is_place = str(info.field_name).endswith(("_url", "_mapping", "_guidance"))
        return value.strip() if is_place and isinstance(value, str) else value

    @field_validator("trace_url")
    @classmethod
    def _check_pages(cls, value: str) -> str:
        try:
            find_trace_pages(value)
        except ConfigurationError as error:
            raise PydanticCustomError("trace_url", "{why}", {"why": str(error)}) from None
        return value

    @field_validator("redact_also", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        # Of a JSON array as of names between commas.
        return re.findall(r"[^\s,\[\]\"']+", value) if isinstance(value, str) else value

    @property
    def trace_pages(self) -> TracePages:
        """Where a browser finds the traces of runs."""
        places = {"source_url": self.source_url, "jaeger_url": self.jaeger_url}
        urls = {name: place.get_secret_value() for name, place in places.items() if place is not None}
        return find_trace_pages(self.trace_url, jaeger_ui_url=self.jaeger_ui_url, **urls)

    @property
    def evidence_tokens(self) -> int:
        """The budget of evidence in one question: 70% of what instructions and answer leave of the context."""
        share = self.judge_context_tokens // 4
        left = self.judge_context_tokens - min(self.judge_max_output_tokens, share) - min(_INSTRUCTION_TOKENS, share)
        return self.judge_evidence_tokens or max(1_000, int(left * 0.7))

    @property
    def call_timeout_seconds(self) -> float:
        """The time limit of one call to the judge: longer by default in the tier ``flex``, where calls wait."""
        given = "judge_call_timeout_seconds" in self.model_fields_set
        return _FLEX_CALL_SECONDS if self._is_flex and not given else self.judge_call_timeout_seconds

    @property
    def _is_flex(self) -> bool:
        return self.service_tier == "flex"

    @property
    def service_tier(self) -> str:
        """The tier in which the judge is asked; "" where the settings name none."""
        return str(self.judge_extra.get("service_tier") or "")

    def options(self, given: ReportOptions) -> ReportOptions:
        """``given`` with the settings' values for every option that it leaves unset."""
        values: dict[str, Any] = {name: getattr(self, name) for name in ReportOptions.model_fields}
        values.update({name: getattr(given, name) for name in given.model_fields_set})
        if self._is_flex and "eval_timeout_seconds" not in given.model_fields_set | self.model_fields_set:
            values["eval_timeout_seconds"] = _FLEX_AGENT_SECONDS
        if "max_concurrent_evals" not in given.model_fields_set:
            by_model = self.max_concurrent_evals_by_model
            values["max_concurrent_evals"] = by_model.get(values["judge_model"], values["max_concurrent_evals"])
        # Every value has been validated, and all of them are given from here on, the empty ones too.
        return ReportOptions.model_construct(set(values), **values)


def read_settings() -> Settings:
    """The settings in the environment and ``.env`` as they are now.

    Raises:
        ConfigurationError: a wrong or unknown setting, in one line that names it. Only values of numbers and switches
            are shown: others can hold secrets.
    """
    file = ".env" if NO_ENV_FILE not in os.environ and Path(".env").exists() else None
    _refuse_unknown(os.environ, "")
    _refuse_unknown(dotenv_values(file) if file else (), " (it is in .env)")
    try:
        return Settings(_env_file=file)
    except ValidationError as error:
        wrong = "; ".join(f"{_variable(item['loc'])}: {item['msg']}{_shown(item)}" for item in error.errors())
        raise ConfigurationError(f"wrong setting: {wrong}") from None
    except SettingsError as error:
        # The error names the field that is not JSON, without its value.
        field = str(error).partition('field "')[2].partition('"')[0]
        described = Settings.model_fields[field].description if field in Settings.model_fields else None
        example = f" ({described})" if described else ""
        raise ConfigurationError(f"wrong setting: {_variable((field,))}: must be JSON{example}") from None


def _refuse_unknown(names: Iterable[str], where: str) -> None:
    """A mistyped setting would silently leave the default in force: no cost limit, for example."""
    known = {f"{_PREFIX}{name.upper()}" for name in Settings.model_fields} | _OTHER_VARIABLES
    for name in names:
        variable = name.upper()
        if variable.startswith(_PREFIX) and variable not in known and not _OF_KUBERNETES.fullmatch(variable):
            own = variable.removeprefix(_PREFIX)
            near = difflib.get_close_matches(own, [other.removeprefix(_PREFIX) for other in sorted(known)], n=1)
            hint = f"did you mean {_PREFIX}{near[0]}?" if near else "docs/reference/settings.md lists all settings"
            raise ConfigurationError(f"wrong setting: there is no {variable}: {hint}{where}")


def _shown(item: ErrorDetails) -> str:
    """The wrong value, of a setting that cannot hold a secret."""
    field = Settings.model_fields.get(str(item["loc"][0]).lower()) if item["loc"] else None
    if field is None or field.annotation not in _HARMLESS:
        return ""
    return f" (value: {str(item['input'])[:100]!r})"


def variable_of(field: str) -> str:
    """The variable of a field: ``AGENT_REPORT_SINCE`` for ``since``."""
    name = field.upper()
    return name if name.startswith("OPENAI_") else _PREFIX + name


def _variable(location: tuple[int | str, ...]) -> str:
    name = str(location[0]) if location else "setting"
    return ".".join([variable_of(name), *(str(part) for part in location[1:])])
