"""Keys, tokens of Entra and headers of one's own: which of them is sent, and that none is ever shown."""

from __future__ import annotations

import time
from types import SimpleNamespace

import pytest
from azure.identity import get_bearer_token_provider

from tasks.errors import ConfigurationError, EndpointError
from tasks.judge.endpoint.access.address import Address, read_address
from tasks.judge.endpoint.access.authentication import EntraToken, authenticate, parse_headers
from tasks.judge.endpoint.access.secret_values import Secrets

_KEY = "key-0123456789abcdef"
_OTHER = Address("http://127.0.0.1:1/v1")
_DEPLOYMENT = read_address("http://127.0.0.1:1/openai/deployments/x?api-version=1")


def test_the_key_is_a_bearer_token() -> None:
    let_in = authenticate(_OTHER, _KEY, {"X-Tenant": "a"}, None, Secrets())
    assert (let_in.key, let_in.headers) == (_KEY, {"X-Tenant": "a"})


def test_azures_deployments_get_the_key_in_their_header_alone() -> None:
    headers = authenticate(_DEPLOYMENT, _KEY, {}, None, Secrets()).headers
    assert headers["api-key"] == _KEY
    assert headers["Authorization"] is None


def test_a_token_is_a_bearer_token_there_too() -> None:
    let_in = authenticate(_DEPLOYMENT, "", {}, lambda: "token", Secrets())
    assert callable(let_in.key)
    assert let_in.headers == {}


def test_a_header_can_take_the_keys_place() -> None:
    let_in = authenticate(Address(), "", {"Authorization": "Basic abc"}, None, Secrets())
    assert let_in.headers == {"Authorization": "Basic abc"}
    assert authenticate(_OTHER, "", {"api-key": "k"}, None, Secrets()).headers["Authorization"] is None


def test_openai_wants_a_key() -> None:
    with pytest.raises(ConfigurationError, match="set OPENAI_API_KEY, or OPENAI_BASE_URL"):
        authenticate(Address(), "", {"x-tenant": "a"}, None, Secrets())


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        ({"Host": "hush"}, "Host is set by this program"),
        ({"content-TYPE": "hush"}, "content-TYPE is set by this program"),
        ({"Accept-Encoding": "hush"}, "is set by this program"),
        ({"Authorization": "Bearer hush"}, "Authorization is what OPENAI_API_KEY is sent in"),
        ({"api-key": "hush"}, "api-key is what OPENAI_API_KEY is sent in"),
        ({"X-A: hush": "b"}, "a name that no header has"),
        ({"": "hush"}, "a name that no header has"),
        ({"x-ä": "hush"}, "a name that no header has"),
        ({"X-A": "hush\r\nX-B: c"}, "the value of X-A"),
        ({"X-A": "hüsh"}, "the value of X-A"),
        ({"X-A": " hush"}, "the value of X-A"),
        ({"X-A": ""}, "the value of X-A is empty"),
        ({"X-A": "hush", "x-a": "b"}, "x-a is given twice"),
    ],
)
def test_a_header_that_cannot_be_sent_is_refused_and_its_value_not_shown(headers: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^wrong setting: AGENT_REPORT_JUDGE_HEADERS: ") as caught:
        authenticate(_OTHER, _KEY, headers, None, Secrets())
    assert message in str(caught.value)
    assert "hush" not in str(caught.value)
    assert "hüsh" not in str(caught.value)


def test_headers_come_from_a_block_as_an_object_or_its_json() -> None:
    assert parse_headers({"x-a": "b"}, "BLOCK") == {"x-a": "b"}
    assert parse_headers('{"x-a": "b"}', "BLOCK") == {"x-a": "b"}
    for wrong in ("x-a: hush", '["hush"]', {"x-a": 1}, 7):
        with pytest.raises(
            ConfigurationError, match=r"^wrong setting: BLOCK: the block must hold a JSON object"
        ) as caught:
            parse_headers(wrong, "BLOCK")
        assert "hush" not in str(caught.value)


class _Credential:
    """One of azure-identity, whose tokens last for ``seconds``; the n-th is ``token-of-entra-n``."""

    def __init__(self, seconds: float) -> None:
        self.asked: list[tuple[str, ...]] = []
        self._seconds = seconds

    def get_token(self, *scopes: str, **_: object) -> SimpleNamespace:
        self.asked.append(scopes)
        token = f"token-of-entra-{len(self.asked):06}"
        return SimpleNamespace(token=token, expires_on=int(time.time() + self._seconds))


@pytest.mark.parametrize(("seconds", "asked"), [(3600, 1), (1, 3)])
def test_a_token_of_entra_is_kept_until_it_is_about_to_expire(seconds: float, asked: int) -> None:
    credential, secrets = _Credential(seconds), Secrets()
    token = EntraToken(get_bearer_token_provider(credential, "scope/.default"), "scope/.default", secrets)  # type: ignore[arg-type]
    tokens = [token() for _ in range(3)]
    assert credential.asked == [("scope/.default",)] * asked
    assert len(set(tokens)) == asked
    # Every one of them is hidden, the first while the last is in use.
    assert secrets.hide_in_text(" ".join(tokens)) == "[token] [token] [token]"


def test_without_a_token_the_error_names_the_setting_and_holds_no_secret() -> None:
    def fail() -> str:
        raise ValueError("no identity: password=hush\nand forty more lines")

    with pytest.raises(EndpointError, match=r"AGENT_REPORT_JUDGE_ENTRA_SCOPE\): ValueError: no identity") as caught:
        EntraToken(fail, "scope", Secrets())()
    assert "hush" not in str(caught.value)
    assert "forty" not in str(caught.value)
