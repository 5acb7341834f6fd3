"""Where the judge is: ``OPENAI_BASE_URL``, checked before anything is asked, and what its answers are known by."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import SplitResult, parse_qsl, urlsplit

import httpx2

from tasks.errors import ConfigurationError, scrub
from tasks.wire.urls import refuse_ambiguous

OPENAI_URL = "https://api.openai.com/v1"
_SETTING = "OPENAI_BASE_URL"
_DEFAULT_PORTS = {"http": 80, "https": 443}
# Where the API of a well-known host is; what is only the beginning of this path answers nothing but 404.
_PATHS = {
    "api.anthropic.com": "/v1",
    "api.cerebras.ai": "/v1",
    "api.fireworks.ai": "/inference/v1",
    "api.groq.com": "/openai/v1",
    "api.mistral.ai": "/v1",
    "api.openai.com": "/v1",
    "api.together.ai": "/v1",
    "api.together.xyz": "/v1",
    "api.x.ai": "/v1",
    "dashscope-intl.aliyuncs.com": "/compatible-mode/v1",
    "dashscope.aliyuncs.com": "/compatible-mode/v1",
    "eu.api.openai.com": "/v1",
    "generativelanguage.googleapis.com": "/v1beta/openai",
    "integrate.api.nvidia.com": "/v1",
    "openrouter.ai": "/api/v1",
    "router.huggingface.co": "/v1",
    "us.api.openai.com": "/v1",
}
# Where it is at others of these hosts, and at none of them beside its own.
_OTHERS_PATHS = ("/v1", "/api/v1", "/openai", "/openai/v1")
_AZURE_HOSTS = re.compile(r"\.(?:openai\.azure\.(?:com|us|cn)|cognitiveservices\.azure\.(?:com|us|cn))$")
_AZURE_LIKE_HOSTS = re.compile(r"\.(?:azure-api\.net|services\.ai\.azure\.com)$")
_AZURE_V1, _AZURE_VERSION = "/openai/v1", "2024-10-21"
_DEPLOYMENT = re.compile(r"/openai/deployments/[^/]+$")
# What a call adds to the base URL, here or in another API, and so cannot be its end.
_OPERATION = re.compile(
    r"/(?:chat/completions|(?<=/v1/)chat|completions|responses|messages|embeddings|(?<=/v1/)models|api/chat|api/generate|api/tags"
    r"|models/[^/]*:(?:generate|streamGenerate)Content)$",
    re.IGNORECASE,
)
_OLLAMA = re.compile(r"/api(?:/(?:chat|generate|tags))?$")
_VERSION = re.compile(r"/v\d")
_USUAL_PORTS = "Ollama 11434, LM Studio 1234, vLLM 8000, llama.cpp 8080, LiteLLM 4000"
_QUOTES = "\"'`“”‘’"


@dataclass(frozen=True, slots=True)
class Address:
    """The judge's endpoint. ``base_url`` is without query and slash at its end; ``query`` goes with every call.

    ``wants_api_key_header``: the key goes into the header ``api-key``, as Azure's deployments want it.
    """

    base_url: str = OPENAI_URL
    query: Mapping[str, str] = field(default_factory=dict)
    wants_api_key_header: bool = False

    @property
    def is_openai(self) -> bool:
        """Whether this is OpenAI's own endpoint, where nothing is answered without a key."""
        return self.base_url == OPENAI_URL

    @property
    def identity(self) -> str:
        """What answers are known by: host, the port when it is not the usual one, and path.

        Neither credentials nor the query are a part of it: another ``api-version`` is the same model.
        """
        parts = urlsplit(self.base_url)
        port = f":{parts.port}" if parts.port not in (None, _DEFAULT_PORTS.get(parts.scheme)) else ""
        return f"{_bracketed(parts)}{port}{parts.path}"

    @property
    def hidden_query(self) -> tuple[str, ...]:
        """The values of the query that may be secrets: all but the version."""
        return tuple(value for name, value in self.query.items() if name.lower() != "api-version")

    @property
    def path_hint(self) -> str:
        """What may be wrong with the path where the endpoint answers 404, as `` (is it …?)``; "" without an idea."""
        if _VERSION.search(urlsplit(self.base_url).path) or self.query:
            return ""
        shown = scrub(self.base_url)
        return f" ({_SETTING}={shown} has no /v1, which most endpoints want: {shown}/v1)"

    @property
    def port_hint(self) -> str:
        """What may be wrong with the port where there is no connection; "" when it is given, or cannot be wrong."""
        parts = urlsplit(self.base_url)
        if parts.port is not None or not _is_local(parts.hostname or ""):
            return ""
        return f" (the URL has no port: {_USUAL_PORTS})"


def read_address(text: str) -> Address:
    """The endpoint that ``OPENAI_BASE_URL`` names; OpenAI's own when it is empty.

    Raises:
        ConfigurationError: it cannot be the base URL of an endpoint, with what to write instead. It shows neither
            credentials nor the values of a query.
    """
    url = text.strip()
    if not url:
        return Address()
    if url[0] in _QUOTES or url[-1] in _QUOTES:
        raise _wrong("it is in quotation marks: write it without them")
    refuse_ambiguous(url, f"wrong setting: {_SETTING}")
    parts = _split(url)
    path = parts.path.rstrip("/")
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    _check_path(parts, path)
    _check_azure(parts, path, query)
    base_url = f"{parts.scheme.lower()}://{parts.netloc}{path}"
    return Address(base_url, query, _wants_api_key_header(parts, path, query))


def _split(url: str) -> SplitResult:
    if any(char.isspace() for char in url):
        raise _wrong("it contains a space or a line break")
    if "://" not in url:
        raise _wrong(f"it does not start with http:// or https://: {_guess_scheme(url)}")
    try:
        parts = urlsplit(url)
        _ = parts.port, httpx2.URL(url)
    except (ValueError, httpx2.InvalidURL):
        raise _wrong("its host or port is invalid: must be a URL such as http://localhost:8000/v1") from None
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
        raise _wrong("must be a URL such as http://localhost:8000/v1")
    if parts.fragment or url.endswith("#"):
        raise _wrong("the part after # is never sent: leave it out")
    return parts


def _guess_scheme(url: str) -> str:
    # "http:/host" and "https:host" lack a slash or two.
    url = re.sub(r"^https?:/*", "", url, flags=re.IGNORECASE)
    host = re.split(r"[:/?]", url, maxsplit=1)[0]
    if not re.fullmatch(r"[\w.-]+", host):
        return "must be a URL such as http://localhost:8000/v1"
    scheme = "http" if _is_local(host) or "." not in host else "https"
    return f"write {scheme}://{url.partition('?')[0]}"


def _check_path(parts: SplitResult, path: str) -> None:
    if parts.hostname in _DEFAULT_PORTS and path.startswith("//"):
        raise _wrong(f"it begins with http:// or https:// twice: write {parts.hostname}:{path}")
    if "//" in path:
        raise _wrong(f"it has // in its path: write {_shown(parts, re.sub('/{2,}', '/', path))}")
    known = _PATHS.get(parts.hostname or "")
    if found := _OPERATION.search(path):
        rest = path[: found.start()]
        if _OLLAMA.search(path):
            rest = "/v1"
        elif known and known.startswith(rest):
            rest = known
        elif _is_azure(parts) and not _DEPLOYMENT.search(rest):
            rest = _AZURE_V1
        raise _wrong(f"it ends in {found.group()}, which is added to every call: write {_shown(parts, rest)}")
    if known and path != known and (f"{known}/".startswith(f"{path}/") or path in _OTHERS_PATHS):
        raise _wrong(f"the API of {parts.hostname} is at {known}: write {_shown(parts, known)}")
    # Gemini's own API, which is another one than its OpenAI-compatible one.
    if parts.hostname == "generativelanguage.googleapis.com" and "/openai" not in path:
        raise _wrong(f"it is not the OpenAI-compatible API: write {_shown(parts, known or '')}")


def _check_azure(parts: SplitResult, path: str, query: Mapping[str, str]) -> None:
    if _DEPLOYMENT.search(path) and not query.get("api-version"):
        raise _wrong(
            f"a path with /openai/deployments/ needs an API version: write {_shown(parts, path)}, or the newer "
            f"{_shown(parts, _AZURE_V1)}"
        )
    is_resource = _is_azure(parts) or (parts.hostname or "").endswith(".services.ai.azure.com")
    if is_resource and path in ("", "/openai", "/openai/deployments", "/v1"):
        raise _wrong(f"the API of Azure OpenAI is at {_AZURE_V1}: write {_shown(parts, _AZURE_V1)}")


def _wants_api_key_header(parts: SplitResult, path: str, query: Mapping[str, str]) -> bool:
    if _DEPLOYMENT.search(path):
        return True
    # The v1 path takes the key as OpenAI does.
    return (_is_azure(parts) or _AZURE_LIKE_HOSTS.search(parts.hostname or "") is not None) and not path.endswith("/v1")


def _is_azure(parts: SplitResult) -> bool:
    return _AZURE_HOSTS.search(parts.hostname or "") is not None


def _is_local(host: str) -> bool:
    if host.lower() in ("localhost", "host.docker.internal"):
        return True
    try:
        return ipaddress.ip_address(host).is_private
    except ValueError:
        return False


def _shown(parts: SplitResult, path: str) -> str:
    """The URL with this path, without credentials; of the query only the version, which a deployment needs."""
    port = f":{parts.port}" if parts.port is not None else ""
    version = dict(parse_qsl(parts.query)).get("api-version", "")
    version = version if re.fullmatch(r"[\w.-]{1,40}", version) else _AZURE_VERSION
    query = f"?api-version={version}" if _DEPLOYMENT.search(path) else ""
    user = "***@" if "@" in parts.netloc else ""
    return f"{parts.scheme}://{user}{_bracketed(parts)}{port}{path}{query}"


def _bracketed(parts: SplitResult) -> str:
    host = parts.hostname or ""
    return f"[{host}]" if ":" in host else host


def _wrong(what: str) -> ConfigurationError:
    return ConfigurationError(f"wrong setting: {_SETTING}: {what}")
