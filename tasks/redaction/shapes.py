r"""Keys and tokens that are known by their shape: a prefix that only their issuer uses, and what follows it.

The shapes are those that the issuers document; gitleaks, detect-secrets and trufflehog list them as well. To add one is
a line in ``SHAPES``. Each quantifier is possessive or bounded, so that hostile texts cost no more than long ones.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from tasks.redaction.kinds import API_KEY, PRIVATE_KEY, SECRET, TOKEN, UUID, Find, Rule, Span

_WORD = r"[\w-]"
_ALNUM = "[A-Za-z0-9]"
_HEX = "[a-fA-F0-9]"
_END = r"(?![A-Za-z0-9])"
_THREE_DIGITS = re.compile(r"(?:\D*+\d){3}")
_DIGIT_WITHIN = re.compile(r"\D*+\d")


class Shape(NamedTuple):
    """``prefix`` is literal but for sets such as ``[st]``; its first four characters are the anchor of the rule."""

    label: str
    prefix: str
    rest: str
    check: Callable[[str], bool] | None = None


def _is_random(key: str) -> bool:
    """Rather a key than a name in words (``sk-toggleable__control``)."""
    return len(key) >= 60 or _THREE_DIGITS.match(key) is not None


def _has_digit(key: str) -> bool:
    return _DIGIT_WITHIN.match(key) is not None


SHAPES = (
    # Clouds and hosting.
    Shape(API_KEY, "A[KS]IA", "[A-Z0-9]{16}" + _END),
    Shape(API_KEY, "ABIA", "[A-Z0-9]{16}" + _END),
    Shape(API_KEY, "ACCA", "[A-Z0-9]{16}" + _END),
    Shape(API_KEY, "ABSK", r"[A-Za-z0-9+/]{60,}+={0,2}"),
    Shape(API_KEY, "bedrock-api-key-", r"[A-Za-z0-9+/=_-]{40,}+"),
    Shape(TOKEN, "amzn.mws.", UUID),
    Shape(API_KEY, "AIza", r"[\w-]{35,}+"),
    Shape(API_KEY, "AQ.Ab", r"[\w-]{30,}+"),
    Shape(SECRET, "GOCSPX-", r"[\w-]{20,}+"),
    Shape(TOKEN, "ya29.", r"[\w.-]{20,}+"),
    Shape(TOKEN, "1//0", r"[\w-]{30,}+", _has_digit),
    Shape(TOKEN, "LTAI", _ALNUM + "{12,30}" + _END, _has_digit),
    Shape(TOKEN, "AKID", _ALNUM + "{32}" + _END, _has_digit),
    Shape(TOKEN, "do[por]_v1_", "[a-f0-9]{60,}+"),
    Shape(TOKEN, "cf[kua]t_", r"[\w-]{40,}+"),
    Shape(TOKEN, "cfk_", r"[\w-]{40,}+"),
    Shape(TOKEN, "v1.0-", "[a-f0-9]{24}-[a-f0-9]{100,}+"),
    Shape(TOKEN, "HRKU-", r"[\w-]{30,}+", _has_digit),
    Shape(TOKEN, "vc[pkiar]_", _ALNUM + "{20,}+", _has_digit),
    Shape(TOKEN, "nf[pcob]_", _ALNUM + "{30,}+", _has_digit),
    Shape(TOKEN, "fm[12][abr]_", r"[\w+/=,-]{40,}+"),
    Shape(TOKEN, "fm2_", r"[\w+/=,-]{40,}+"),
    Shape(TOKEN, "fo1_", r"[\w-]{40,}+"),
    Shape(TOKEN, "rnd_", _ALNUM + "{24,}+", _has_digit),
    Shape(TOKEN, "pul-", "[a-f0-9]{40}" + _END),
    Shape(TOKEN, "dapi", "[a-f0-9]{32}+(?:-[0-9])?(?!\\w)"),
    Shape(TOKEN, "dose", "[a-f0-9]{32}+(?:-[0-9])?(?!\\w)"),
    Shape(TOKEN, "tskey-", r"[\w-]{16,}+", _has_digit),
    Shape(TOKEN, "napi_", "[a-z0-9]{40,}+"),
    Shape(SECRET, "mdb_sa_sk_", r"[\w-]{30,}+"),
    Shape(PRIVATE_KEY, "AGE-SECRET-KEY-1", "[A-Z0-9]{50,}+"),
    Shape(TOKEN, "hv[sbr].", r"[\w-]{24,}+"),
    Shape(TOKEN, "ops_eyJ", r"[A-Za-z0-9+/=_-]{40,}+"),
    Shape(SECRET, "A3-", "[A-Z0-9]{6}-(?:[A-Z0-9]{11}|[A-Z0-9]{6}-[A-Z0-9]{5})(?:-[A-Z0-9]{5}){3}" + _END),
    Shape(TOKEN, "dp.[pscae][tait].", r"(?:[\w-]{2,35}\.)?[A-Za-z0-9]{30,}+"),
    Shape(TOKEN, "dp.scim.", _ALNUM + "{30,}+"),
    Shape(TOKEN, "dp.audit.", _ALNUM + "{30,}+"),
    Shape(TOKEN, "sha256~", r"[\w-]{40,}+"),
    # Models and what agents are made of.
    Shape(API_KEY, "sk-", r"[\w-]{20,}+", _is_random),
    Shape(API_KEY, "gsk_", _ALNUM + "{32,}+"),
    Shape(API_KEY, "xai-", _ALNUM + "{40,}+"),
    Shape(API_KEY, "pplx-", _ALNUM + "{32,}+"),
    Shape(TOKEN, "hf_", _ALNUM + "{30,}+"),
    Shape(TOKEN, "api_org_", _ALNUM + "{30,}+"),
    Shape(TOKEN, "r8_", r"[\w-]{30,}+", _has_digit),
    Shape(API_KEY, "fw_", _ALNUM + "{20,}+", _has_digit),
    Shape(API_KEY, "nvapi-", r"[\w-]{40,}+"),
    Shape(API_KEY, "tgp_v1_", r"[\w-]{30,}+"),
    Shape(API_KEY, "pcsk_", r"[\w-]{30,}+"),
    Shape(API_KEY, "csk-", _ALNUM + "{32,}+", _has_digit),
    Shape(API_KEY, "lsv2_[ps][tk]_", r"[\w-]{30,}+"),
    Shape(API_KEY, "ls__", _HEX + "{32,}+"),
    Shape(API_KEY, "pk-lf-", r"[\w-]{20,}+", _has_digit),
    Shape(API_KEY, "esecret_", _ALNUM + "{20,}+"),
    Shape(API_KEY, "jina_", r"[\w-]{40,}+"),
    Shape(API_KEY, "tvly-", r"[\w-]{20,}+", _has_digit),
    Shape(API_KEY, "fc-", _HEX + "{32}" + _END),
    Shape(API_KEY, "pa-", r"[\w-]{40,}+", _is_random),
    Shape(API_KEY, "llx-", r"[\w-]{40,}+"),
    Shape(API_KEY, "rpa_", "[A-Z0-9]{36,}+[a-z0-9]{0,10}"),
    Shape(API_KEY, "e2b_", _HEX + "{36,}+"),
    Shape(API_KEY, "m0-", _ALNUM + "{36,}+", _has_digit),
    Shape(API_KEY, "a[ks]-", _ALNUM + "{22,}+", _is_random),
    Shape(API_KEY, "wandb_v1_", r"[\w-]{30,}+"),
    Shape(API_KEY, "apify_api_", _ALNUM + "{30,}+"),
    Shape(API_KEY, "bb_live_", r"[\w-]{20,}+"),
    Shape(API_KEY, "pn[ub]_", _ALNUM + "{36,}+"),
    Shape(API_KEY, "hl_sk_", _ALNUM + "{30,}+"),
    # Code, packages and builds.
    Shape(TOKEN, "gh[pousr]_", r"\w{30,}+"),
    Shape(TOKEN, "github_pat_", r"\w{22,}+"),
    *(
        Shape(TOKEN, f"gl{kind}-", r"[\w-]{20,}+(?:\.[\w-]++){0,4}")
        for kind in ("pat", "dt", "rt", "cbt", "ptt", "ft", "soat", "imt", "agent", "oas", "ffct", "wt")
    ),
    Shape(TOKEN, "GR1348941", r"[\w-]{20,}+"),
    Shape(TOKEN, "AT[AC]TT3", r"[\w-]{20,}+(?:=[A-F0-9]{8})?"),
    Shape(TOKEN, "ATBB", _ALNUM + "{24,}+", _has_digit),
    Shape(TOKEN, "ATOA", r"[\w-]{40,}+", _has_digit),
    Shape(TOKEN, "npm_", _ALNUM + "{36,}+"),
    Shape(TOKEN, "pypi-", r"AgE[\w-]{50,}+"),
    Shape(TOKEN, "rubygems_", _HEX + "{40,}+"),
    Shape(TOKEN, "oy2", "[a-z0-9]{43}" + _END),
    Shape(TOKEN, "cio", _ALNUM + "{32}" + _END, _is_random),
    Shape(TOKEN, "CLOJARS_", "[A-Za-z0-9]{40,}+"),
    Shape(TOKEN, "AKCp", _ALNUM + "{60,}+"),
    Shape(TOKEN, "cmVmd", _ALNUM + "{55,}+"),
    Shape(TOKEN, "dckr_[po]at_", r"[\w-]{20,}+"),
    Shape(TOKEN, "CCI[PO][ARR][TJG]_", r"[\w-]{20,}+"),
    Shape(TOKEN, "bk[uaic]a_", _ALNUM + "{32,}+"),
    Shape(TOKEN, "bkct_", _ALNUM + "{32,}+"),
    Shape(TOKEN, "bkaj_", _ALNUM + "{32,}+"),
    Shape(TOKEN, "sq[pua]_", "[a-f0-9]{40}" + _END),
    Shape(TOKEN, "sgp_", r"\w{40,}+"),
    Shape(TOKEN, "slk_", "[a-f0-9]{64}" + _END),
    Shape(TOKEN, "API-", "[A-Z0-9]{25,36}" + _END, _is_random),
    Shape(TOKEN, "ico-", _ALNUM + "{32}" + _END, _has_digit),
    Shape(TOKEN, "tk-us-", r"[\w-]{40,}+"),
    # Messages and mail.
    Shape(TOKEN, "xox[abcdeoprs]-", r"[\w-]{10,}+"),
    Shape(TOKEN, "xoxe.xox[bp]-", r"[\w-]{10,}+"),
    Shape(TOKEN, "xapp-", r"\d-[\w-]{10,}+"),
    Shape(TOKEN, "xwfp-", r"[\w-]{20,}+"),
    Shape(TOKEN, "hooks.slack.com", r"/(?:services|workflows|triggers)/[\w/+-]{20,}+"),
    Shape(TOKEN, "hooks.zapier.com", r"/hooks/catch/[\w/-]{8,}+"),
    Shape(TOKEN, "mfa.", r"[\w-]{60,}+"),
    Shape(API_KEY, "SK", _HEX + "{32}" + _END),
    Shape(API_KEY, "SG.", r"[\w-]{16,64}\.[\w-]{16,}+"),
    Shape(API_KEY, "key-", _ALNUM + "{32}" + _END, _has_digit),
    Shape(API_KEY, "xkeysib-", r"[a-f0-9]{40,}+-\w{10,}+"),
    Shape(API_KEY, "xsmtpsib-", r"[a-f0-9]{40,}+-\w{10,}+"),
    Shape(API_KEY, "re_", r"[A-Za-z0-9]{8,}_[A-Za-z0-9]{18,}+", _has_digit),
    Shape(API_KEY, "md-", r"[\w-]{22}" + _END, _is_random),
    # Payment and trade.
    Shape(API_KEY, "[sr]k_live_", r"[A-Za-z0-9_]{10,}+"),
    Shape(API_KEY, "[sr]k_test_", r"[A-Za-z0-9_]{10,}+"),
    Shape(API_KEY, "[sr]k_prod_", r"[A-Za-z0-9_]{10,}+"),
    Shape(API_KEY, "sk_org_", r"[A-Za-z0-9_]{20,}+"),
    Shape(API_KEY, "sk_", "[a-f0-9]{40,}+" + _END),
    Shape(SECRET, "whsec_", "[A-Za-z0-9+/=]{20,}+"),
    *(Shape(TOKEN, f"shp{kind}_", _HEX + "{32,}+") for kind in ("at", "ca", "pa", "ss", "rt", "tka")),
    Shape(TOKEN, "sq0[ac][ts]p-", r"[\w-]{20,}+"),
    Shape(TOKEN, "EAAA", r"[\w-]{56,}+"),
    Shape(TOKEN, "EAA[B-Z]", _ALNUM + "{60,}+"),
    Shape(API_KEY, "FLWSECK", r"(?:_TEST)?-[A-Za-z0-9-]{12,}+"),
    Shape(API_KEY, "EZ[AT]K", _ALNUM + "{54,}+"),
    Shape(API_KEY, "shippo_", r"(?:live|test)_[a-f0-9]{40}"),
    Shape(API_KEY, "duffel_", r"(?:live|test)_[\w=-]{40,}+"),
    Shape(API_KEY, "rzp_[lt]", r"(?:ive|est)_\w{14,}+"),
    # Other services.
    Shape(API_KEY, "lin_api_", _ALNUM + "{32,}+"),
    Shape(TOKEN, "lin_oauth_", _ALNUM + "{32,}+"),
    Shape(TOKEN, "ntn_", _ALNUM + "{36,}+"),
    Shape(TOKEN, "secret_", _ALNUM + "{40,}+", _has_digit),
    Shape(API_KEY, "PMA[KT]-", r"[A-Za-z0-9]{20,}+(?:-[a-f0-9]{20,}+)?"),
    Shape(TOKEN, "pat", r"[A-Za-z0-9]{14}\.[a-f0-9]{64}" + _END),
    Shape(TOKEN, "pat-", "[a-z]{2,3}[0-9]-" + UUID),
    Shape(TOKEN, "figd_", r"[\w-]{30,}+"),
    Shape(TOKEN, "sbp_", r"(?:oauth_)?[a-f0-9]{40,}+"),
    Shape(API_KEY, "sb_secret_", r"[\w-]{20,}+"),
    Shape(TOKEN, "pscale_", r"(?:tkn|pw|oauth|app_secret)_[\w=.-]{20,}+"),
    Shape(TOKEN, "gl[sc]a_", _ALNUM + "{32}_[A-Fa-f0-9]{8}"),
    Shape(TOKEN, "glc_", "[A-Za-z0-9+/]{32,}+={0,3}"),
    Shape(TOKEN, "sntrys_", r"[\w+/=-]{40,}+"),
    Shape(TOKEN, "sntry[ura]_", "[a-f0-9]{40,}+"),
    Shape(API_KEY, "NRAK-", "[A-Z0-9]{20,}+"),
    Shape(API_KEY, "NRII-", r"[\w-]{28,}+"),
    Shape(API_KEY, "NRRA-", "[a-f0-9]{40,}+"),
    Shape(TOKEN, "dt0[cs][0-9]", r"[0-9]\.[A-Z0-9]{20,24}\.[A-Z0-9]{60,}+"),
    Shape(TOKEN, "sl.", r"[\w-]{100,}+"),
    Shape(API_KEY, "phx_", _ALNUM + "{30,}+"),
    Shape(TOKEN, "CFPAT-", r"[\w-]{40,}+"),
    Shape(TOKEN, "snyk_", r"(?:uat|sat)\.[a-z0-9]{8}\.[\w-]{40,}+"),
    Shape(API_KEY, "tmprl_", _ALNUM + "{30,}+"),
    Shape(TOKEN, "IGQV", r"[\w-]{60,}+", _has_digit),
    Shape(TOKEN, "tfp_", r"[\w.=-]{40,}+"),
    Shape(TOKEN, "fio-u-", r"[\w=-]{40,}+"),
    Shape(TOKEN, "rdme_", "[a-z0-9]{60,}+"),
    Shape(API_KEY, "aio_", _ALNUM + "{28}" + _END, _has_digit),
    Shape(API_KEY, "xa[ap]t-", UUID),
    Shape(API_KEY, "hc[abx][a-z][k]_", r"\w{50,}+"),
    Shape(API_KEY, "sdk-", UUID),
    Shape(API_KEY, "api-", UUID),
    Shape(API_KEY, "BBFF-", _ALNUM + "{30,}+"),
    Shape(TOKEN, "secret-", r"(?:live|test|production|sandbox)-[\w=-]{30,}+"),
    Shape(TOKEN, "endr+", "[A-Za-z0-9-]{16}" + _END),
    Shape(SECRET, "p8e-", "[A-Za-z0-9]{32}" + _END),
    Shape(TOKEN, "oauth:", "[a-z0-9]{30}" + _END, _has_digit),
    Shape(PRIVATE_KEY, "xprv", _ALNUM + "{100,}+"),
    Shape(TOKEN, "AAAA", r"[\w-]{7}:[\w-]{100,}+"),
    Shape(TOKEN, "SSWS", r"(?: |%20|\+)00[\w-]{38,}+"),
    Shape(TOKEN, "u+", r"[\w-]{18}" + _END, _has_digit),
    Shape(TOKEN, "AAAAAAAAAAAAAAAAAAAA", r"[\w%]{40,}+", _is_random),
    # Mapbox's and JSON Web Tokens, with their dots; what Grafana's, Intercom's and others' are without.
    Shape(TOKEN, "eyJ", r"[\w-]{8,}+\.[\w-]{8,}+(?:\.[\w-]*+){0,3}"),
    Shape(API_KEY, "eyJrIjoi", r"[A-Za-z0-9+/]{40,}+={0,2}"),
    Shape(TOKEN, "dG9rO", r"[A-Za-z0-9+/_-]{40,}+={0,2}"),
)


def begins(text: str, place: int) -> bool:
    """Whether a word begins there; the n of a JSON text's ``\\n`` is no part of a word."""
    if place == 0:
        return True
    before = text[place - 1]
    # Chinese and Japanese set no spaces.
    if not (before.isascii() and before.isalnum()) and before not in "_-":
        return True
    # JSON writes a new line as \n, and Go's < > & as \u003c and so on; URLs write = as %3D.
    return (
        (text[max(0, place - 2)] == "\\" and before in "nrtbf")
        or (text[max(0, place - 6)] == "\\" and _CODED.fullmatch(text, place - 5, place) is not None)
        or (text[max(0, place - 4)] == "\\" and _CODED.fullmatch(text, place - 3, place) is not None)
        or (text[max(0, place - 3)] == "%" and _CODED.fullmatch(text, place - 2, place) is not None)
    )


_CODED = re.compile("[ux]?[0-9a-fA-F]{2,4}")
_SOFT_BREAK = re.compile(r"=(?:\r?\n|(?:\\r)?\\n)[\w+/-]{1,76}+")
_LONGEST_CHECKED = 400
_SET = re.compile(r"\[[^\]]+\]|.", re.DOTALL)


def _finder(shape: Shape) -> Find:
    width = len(_SET.findall(shape.prefix))
    literal = "".join(part if len(part) > 1 else re.escape(part) for part in _SET.findall(shape.prefix))
    prefix = re.compile(literal)
    pattern = re.compile(literal + shape.rest, re.ASCII)
    # A long word that is no key is read in part only.
    bounded = re.compile(literal + shape.rest.replace(",}+", f",{_LONGEST_CHECKED}}}+"), re.ASCII)
    check = shape.check

    def find(text: str, place: int) -> Span | None:
        if not prefix.match(text, place) or not begins(text, place):
            return None
        if check is not None and ((shown := bounded.match(text, place)) is None or not check(shown[0][width:])):
            return None
        match = pattern.match(text, place)
        if match is None:
            return None
        end = match.end()
        # Quoted-printable mail breaks its lines wherever they are full.
        while (broken := _SOFT_BREAK.match(text, end)) is not None:
            end = broken.end()
        return match.start(), end, shape.label

    return find


SHAPE_RULES = tuple(Rule(("".join(_SET.findall(shape.prefix)[:4]),), _finder(shape), begins=True) for shape in SHAPES)
