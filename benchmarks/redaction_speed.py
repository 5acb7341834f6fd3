"""What redaction costs on hostile texts: ``python -m benchmarks.redaction_speed [--size 1000000]``.

Each text repeats one unit: the anchor of a rule, the name that it looks for, the beginning of a match, a near miss, a
match, or runs that any rule could be slow on. Prints CPU seconds per MB (of its thread, the best of two), worst first,
and fails when one is above the bound of 0.2.
"""

# ruff: noqa: E501 - tables of texts

from __future__ import annotations

import argparse
import itertools
import random
import re
import sys
import time
from collections.abc import Iterator

from tasks.redaction.redactor import Redactor
from tasks.redaction.rules import ANCHORED_RULES
from tasks.redaction.shapes import SHAPES

BOUND = 0.2
_SHOWN = 25
# What rules look for, in full, and beginnings of it; anchors alone come from the rules.
NAMES = (
    "password", "passwort", "passwd", "passwords", "Password1", "passphrase", "pass", "pwd", "PWD",
    "secret", "secret_key", "secret_access_key", "secret_key_base", "client_secret", "token", "access_token", "tokens",
    "api_key", "api key", "apikey", "account_key", "AccountKey", "access_key", "access_key_id", "private_key",
    "privatekey", "sig", "?sig", "authorization", "authorisation", "bearer", "Authorization: Bearer",
    "authorization: basic", "cookie", "Set-Cookie", "curl -u", "curl --user", "password is", "das Passwort ist",
)  # fmt: skip
PREFIXES = (
    "eyJ", "sk-", "sk-proj-", "sk-ant-api03-", "SG.", "hf_", "hvs.", "hvb.", "github_pat_", "ghp_", "gho_", "AKIA", "ASIA",
    "AIza", "GOCSPX-", "ya29.", "ATATT3", "NRAK-", "AGE-SECRET-KEY-1", "1234567890:AAE", "gsk_", "npm_", "pypi-AgE",
    "dop_v1_", "doo_v1_", "dckr_pat_", "dapi", "glpat-", "gloas-", "sk_live_", "rk_test_", "shpat_", "lin_api_", "ntn_",
    "xoxb-", "xoxe.xoxp-", "xapp-1-", "xai-", "pplx-", "whsec_", "hooks.slack.com/services/", "webhooks/",
    "-----BEGIN", "-----BEGIN PRIVATE KEY-----", "-----BEGIN RSA PRIVATE KEY-----", "-----BEGIN PGP PRIVATE KEY BLOCK-----",
    "-----BEGIN A PRIVATE KEY", "-----END PRIVATE KEY-----",
)  # fmt: skip
SEPARATORS = (
    "", " ", "  ", "=", ":", ": ", " = ", "==", "=>", ":=", ">", "%3D", "=3D", "=3D ", '="', "='", '": "', "': '", "=`",
    '\\": \\"', '\\\\\\"', '":', "\t", " \t", "\n", ":\n ", ":\\n  ", " --", "['", "']=", "](", "-", "_", "/", ".", ",",
    ";", "&", "?", "@", "://", "<", "</", "[", "{", "(", "\\", "\\n", "\\u003c", "%40", "=\n", "\r\n", "\x00", "é", "日",
)  # fmt: skip
VALUES = ("", "x ", "a1b2c3d4e5 ", 'hunter2"', "((((", "[x] ", "1" * 40 + " ")
RUNS = (
    "a", "A", "1", "12", "0", "4", "4111", "4111 ", "4111-", "4111 1111 1111 1111", "4111111111111111", "4111 1111 1111 1111 ",
    "3782 822463 10005 ", "4111 1111 1111 1112 ", "0000 000000 0000", "41111111111111111111 ", "4111\xa01111\xa0", "a 4111 1111 1111 1111 ",
    "4 1 1 1 ", "4-1-1-1-", "1234567890123 ", "4222222222222 ", "4222222222222a", "5500000000000004,", "4111111111111111.",
    "@", "@@", "a@", "a@a", "a@a.", "a@a.a", "a@b.co", "a@b.co ", "@a.b", "@a-b.c-d.", "a.b@", "é@é.é", "@" + "a" * 62 + ".",
    "a" * 64 + "@", "a" * 64 + "@b.co", "%40", "a%40b.co", "%40a.", "%40" + "a.b.c.d.e.f.g.h.", "@" + "a.b.c.d.e.f.g.h.i.",
    "@b.co:" + "x" * 200, "a@b.co:" + "x" * 150 + "/", "a@sha256:", "git@github.com:", "@1.2", "b@c.co:1",
    "://", "://a:", "://a:b@", "://a:b@c", "://a:b@c ", "x://a:b@c@d/", "https://u:p@h/", "https://u:p/p@h ", "://@", ":@", "/@", "?@",
    "://a:/@", "://" + "a" * 380 + ":b@", "://" + "a" * 390 + "@", "://a:" + "/" * 380 + "@", "://a:b/" + "@" * 380,
    "://u:" + "p@" * 190, "-", "--", "---", "----", "-----", "---B", "--u", " --u", " -u ", " -u a:", " -u a:b ", ' -u "', "curl ", "curl -u a:b ",
    "curl" + " -u a:b" * 40, " --user a:" + "b" * 190, "-u" + "a" * 100, " -u " + "a" * 100, " -u " + "a" * 99 + ": ",
    '"', "'", "`", "\\", "\\\\", '\\"', "\\\\\\\"", '"\\"', "\"'", "\"'`", "[", "]", "[[", "[a", "[a]", "[api key", "[api key]", "{", "}", "()",
    "<", ">", "<a", "<a>", "<password>", "</password>", "<password", "=", ":", "::", "=>", "=3D", "%3D", "%3A", "%", "&", "?", ";", ",", ".", "..",
    " ", "\t", "\n", "\r\n", "\\n", "\\r\\n", "\\u003c", "\\u0000", "=\n", "=\\n", "=\na", "=\n" + "a" * 76, "\x00", "\x00a", "\xa0", "é", "日", "\U0001f600",
    "QUJD", "QUJDREVG+/", "QUJDREVG\n", "deadbeef", "dead-beef-", "aB3_dE6-", "eyJh.", "eyJhbGciOiJI.", "eyJhbGciOiJI.eyJhbGciOiJI.",
    "eyJaaaaaaaa.eyJ", "sk-sk-", "sk-" + "a" * 40 + " ", "sk-" + "a" * 59 + " ", "sk-" + "a1" * 30, "SG.a", "SG." + "a" * 64 + ".", "SG." + "a" * 15 + ".",
    "assw", "secr", "ken ", "ken=", "token=", "token:", "token ", "token=a ", "token=1", "token=12345678 ", "page_token=12345678 ", "token=token=",
    "token='x ", 'token="', "token=`", "token=\"'", "token='x password=\"", 'password="', "password='", "password=`", "password=\\\"",
    'password="' + "\\" * 9000, 'password="' + "x" * 9000, "password=" + "(" * 490, "password=" + ")" * 490, "password=" + ")" * 490 + " ",
    "password=(" + ")" * 480 + " ", "token=" + ")" * 490 + " ", "token=" + "]" * 490 + "}", "secret=" + "a." * 240 + "(", "secret=" + "a." * 240,
    "secret=" + "x" * 490 + " ", "password=" + "*" * 490 + " ", "password=" + "a" * 490 + " ", "password=${" + "a" * 480 + " ", "password=[" + "a" * 40,
    "password is a1", "password is " + "!" * 190, "password is " + "a" * 190, "password is now: ", "password:\n ", "password:\n" + " " * 20, "password:\n " + "a" * 490,
    "api_key:\n ", "api_key: \\n  ", "api_key:\n " + "a1" * 240, 'api_key:\n "', "authorization: ", "authorization: bearer ", "authorization: " + " " * 90,
    "authorization: bearer" + " " * 900, "bearer ", "bearer" + " " * 900, "bearer bearer ", "bearer a", "bearer " + "a" * 23 + " ", "bearer " + "a" * 7 + "!", "bear",
    "cookie: ", "cookie: a=", "cookie: a=bbbbbbbb1; ", "cookie: a=bbbbbbbb; ", "cookie: a=bbbbbbbb", "cookie: " + "a" * 60, "cookie: " + "a=b;" * 50, "cookie: a=bbbbbbbb" + "; a=b" * 60,
    "cookie: a=" + "b" * 4000, "cookie: a=" + "bbbbbbbb; b=" * 40, "okie", "oriz", "webh", "hook", "pi_k", "pike", "nt_k", "ss_k", "te_k", "sig=", "?sig=", "?sig=" + "a" * 19 + "&", "pwd=", "pwd=/",
    "pass=", "pass='", "pass:", ":AAE", "12345678:AAE", "12345678:AAE" + "a" * 31 + " ", "1" * 60 + ":AAE", ":AAE" * 20 + "1",
    "-----BEGIN PRIVATE KEY-----\n" + "A" * 60 + "\n", "-----BEGIN PRIVATE KEY-----" + "A" * 100, "-----BEGIN PRIVATE KEY-----" + "-" * 40,
    "-----BEGIN PRIVATE KEY-----" + "a-" * 40, "-----BEGIN PRIVATE KEY-----" + "-a" * 4000, "-----BEGIN PRIVATE KEY-----" + "a" * 1999 + "-", "-----BEGIN PRIVATE KEY-----" + "!" * 19000,
    "-----BEGIN PRIVATE KEY-----" + "-----END" + "A" * 60, "-----BEGIN " + "A " * 20 + "PRIVATE KEY-----", "-----BEGIN " + "A" * 40, "-----BEGIN PRIVATE KEY-----\\n" * 2,
    "-----BEGIN%20PRIVATE%20KEY-----%0A", "%2D%2D%2D%2D%2DBEGIN+PRIVATE+KEY%2D%2D%2D%2D%2D" + "A" * 40, "-----BEGIN PRIVATE KEY-----" + "END" * 2000,
    "END", "BEGIN", "-----END PRIVATE KEY", "LS0tLS1CRUdJTi" + "A" * 60, "LS0tLS1CRUdJTiBS" + "A" * 60 + "\n", "Private-Lines: 9\n" + "A" * 64 + "\n", '{"kty":"x","d":"' + "a" * 31,
    "bob at corp dot com ", "a dot b dot c at d dot e dot com ", " at x dot ", "x [at] y [dot] ", "a.b.c.d.e (at) ", "mail jane at corp dot com " + "x" * 20, "dot dot at at ",
    "mysql -p", "mysql -psecret1 ", "mysql -u root -p", "mysql " + "-p x " * 40, "sshpass -p " + "x" * 20, "docker login -u x -p ", "curl -u bob:", "redis-cli -a x" + " " * 20, " -p" + "x" * 20, "ldapsearch -w x" + "y" * 10,
    "echo x | sudo -S ", "echo " + "x" * 20 + " | ", "a:5432:b:c:d ", "a:5432:b:c:" + "d" * 20, ":5432:" * 4 + "x" * 20, "*:*:*:*:", "localhost:5432:" + "x" * 60, "root:pw | chpasswd ", "identified by 'x' ", "identified by " + "x" * 20,
    "htpasswd -b x y ", "sqlplus a/b@c ", " /p:x ", "requirepass x ", "rabbitmqctl add_user a b ",
    "+1 415 555 2671 ", "+14155552671 ", "+1415555267 " + "x" * 20, "415-555-2671 ", "415-555-2671 " + "x" * 20, "(415) 555-2671 call ", "000-000-0000 ", "415 555 2671 " * 3 + "x" * 20, "+49 30 1234567" + "x" * 20,
    "07700 900123 ", "0170 1234567 " + "x" * 20, "01 02 03 04 05 " + "x" * 10, "call " + "x" * 28 + "0170 1234567 ", "call +" + "1 " * 30, "0" * 9 + " ", "01 ", "0123 " * 4 + "x" * 10,
    "078-05-1120 ", "536-22-8714 " + "x" * 20, "ssn 536 22 8714 ", "123-45-6789" + "x" * 20, "000 00 0000 " + "x" * 20,
    "DE89 ", "DE89370400440532013000 ", "DE89 3704 0044 0532 0130 00 " + "x" * 10, "DE88370400440532013000 " + "x" * 10, "GB82", "GB82 WEST ", "DE89" + "A" * 30 + " ", "phone: 4155552671 ", "phone: " + "1 " * 12, "phone" * 4 + ": ", "tel: tel: ",
    "12345678-12345678-", "a-12345678-12345678-", "aa.bbbbbb.cc", "a.bbbbbb.", "a.b2345c.d2345e." , "M" * 24 + ".aaaaaa." + "b" * 20, "7123456789:A", "1:A" * 5 + "x" * 20, "7123456789:AA" + "x" * 20,
    "a" * 32 + "-us1", "a" * 36 + "NRA", "a" * 14 + ".atlasv1.", "a" * 52 + "JQQJ", "a" * 76 + "AZDO", "abc8Q~" + "x" * 30, "AAAA" + "a" * 7 + ":" + "b" * 90, "a" * 20 + ":APA91b" + "b" * 70,
    "Cookie: a=b; c=d; " * 3 + "x" * 20, "cookie: " + "a=b; " * 60, "cookies={'a': 'b', ", "cookies={" + "'a': 'b'," * 30, "\tTRUE\t/\tTRUE\t1\ta\t", "Authorization: Digest a=\"", "Authorization: a b=\"" + "c" * 90, "Authorization%3A%20Bearer%20",
    "%22password%22%3A%22", "%22password%22%3A%22" + "x" * 290, "&quot;password&quot;: &quot;" + "x" * 290, "name: PASSWORD\n" + " " * 19, "password\", \"value\": \"", "password for " + "x" * 39 + " is ", "password for a is b ", "token for x is " + "a1" * 30,
    "session_key: " + "a" * 30, "routing_key=", "appKey=" + "a1b2" * 8, "aKey" * 4 + "x" * 20, "_key=_key=", "client-key-data: ", "auth: ", "-pass x ", "contraseña: ", "mot de passe: ",
    "password: " + "Ab" * 60, "password: " + "ab-" * 39 + "1", "token: " + "aB3" * 40, "secret: " + "ab_" * 39 + "!", "key-" + "ab1" * 20, "password=" + "a." * 100, "password=/" + "a/" * 100, "password=" + "/a" * 13 + "!", "your-" * 15,
    "-----BEGIN PRIVATE KEY-----" + "\n" * 8, "-----BEGIN PRIVATE KEY-----" + ("A" * 16 + "\n" * 8), "---B-----BEGIN PRIVATE KEY-----",
)  # fmt: skip


def units() -> Iterator[str]:
    """All units, each once."""
    seen: set[str] = set()
    for unit in _units():
        if unit and unit not in seen:
            seen.add(unit)
            yield unit


def _units() -> Iterator[str]:
    yield from RUNS
    anchors = {text for rule in ANCHORED_RULES for anchor in rule.anchors for text in spellings(anchor)}
    shaped = {text for shape in SHAPES for text in spellings(shape.prefix)}
    prefixes = sorted({*PREFIXES, *shaped})
    for head, separator in itertools.product((*sorted(anchors), *prefixes), SEPARATORS):
        yield head + separator
    for name, separator, value in itertools.product(NAMES, SEPARATORS, VALUES):
        yield name + separator + value
    for prefix, length, end in itertools.product(prefixes, (1, 16, 40, 70, 400), ("", " ", ".", "!", "=\n")):
        yield prefix + "aB3d" * (length // 4 + 1) + end
    dice = random.Random(11)
    pieces = [*NAMES, *prefixes, *SEPARATORS, *VALUES, *(run for run in RUNS if len(run) < 80)]
    for _ in range(1_000):
        yield "".join(dice.choice(pieces) for _ in range(dice.randrange(2, 7)))


def spellings(anchor: str) -> list[str]:
    """Two of what an anchor or a prefix with sets (``ken[ =]``) stands for."""
    parts = [match[1] or match[2] for match in re.finditer(r"\[([^\]]+)\]|(.)", anchor, re.DOTALL)]
    return ["".join(part[0] for part in parts), "".join(part[-1] for part in parts)]


def cost(redactor: Redactor, unit: str, size: int, repeat: int = 1) -> float:
    """CPU seconds per MB for ``unit`` repeated to ``size`` characters."""
    text = (unit * (size // len(unit) + 1))[:size]
    best = float("inf")
    for _ in range(repeat):
        began = time.thread_time()
        redactor.redact(text)
        best = min(best, time.thread_time() - began)
    return best / size * 1e6


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.redaction_speed")
    parser.add_argument("--size", type=int, default=1_000_000)
    parser.add_argument("--screen", type=int, default=20_000, help="characters of the first look at every text")
    given = parser.parse_args()
    redactor = Redactor()
    every = list(units())
    # What is dear at a small size, or dearer at a larger one, is scanned in full.
    first = {unit: cost(redactor, unit, given.screen) for unit in every}
    chosen = sorted(every, key=first.__getitem__)[-150:]
    rest = [*every[:: max(1, len(every) // 300)], *RUNS]
    grown = {unit: cost(redactor, unit, given.screen * 8) / max(first[unit], 0.02) for unit in rest}
    chosen = list(dict.fromkeys([*chosen, *sorted(rest, key=grown.__getitem__)[-30:]]))
    costs = {unit: cost(redactor, unit, given.size, 2) for unit in chosen}
    worst = sorted(chosen, key=costs.__getitem__, reverse=True)
    print(f"{len(every)} texts, {len(chosen)} of them measured at {given.size:,} characters; CPU s per MB:")
    for unit in worst[:_SHOWN]:
        shown = unit if len(unit) <= 60 else f"{unit[:40]}… ({len(unit)} characters)"
        print(f"  {costs[unit]:7.3f}  {shown!r}")
    above = [unit for unit in worst if costs[unit] > BOUND]
    print(f"{len(above)} above {BOUND}")
    sys.exit(1 if above else 0)


if __name__ == "__main__":
    main()
