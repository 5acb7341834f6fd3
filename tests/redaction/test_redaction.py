"""What is replaced, what is not, and what it costs. The secrets here were made up."""

from __future__ import annotations

import json
import random
from collections import Counter
from pathlib import Path

import pytest

from tasks.errors import RedactionError, RefusedError
from tasks.redaction.crowding import CROWDED, LEAST_APART, MOST_IN_A_SMALL_TEXT, find_crowded
from tasks.redaction.kinds import BARREN
from tasks.redaction.optional import KINDS
from tasks.redaction.redactor import OWN_CODE, RULE_SET, Redactor
from tasks.redaction.rules import ANCHORED_RULES

OPENAI = "sk-proj-Ab3dEf6hIj9kLm2nOp5qRs8tUv1wXy4z"
ANTHROPIC = "sk-ant-api03-" + "aB3_dE6-gH9" * 8 + "-AA"
GITHUB = "ghp_" + "a1B2c3D4e5F6" * 3
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9P"
PEM = (
    "-----BEGIN RSA PRIVATE KEY-----\n"
    + ("MIIEowIBAAKCAQEA0Z3VS5JJcds3xf" * 2 + "\n") * 4
    + "-----END RSA PRIVATE KEY-----"
)
REDACTOR = Redactor()

SECRETS = [
    (f"key {OPENAI}.", "key [api key]."),
    ("sk-" + "Ab3dEf6hIj9kLm2nOp5q" * 2, "[api key]"),
    (f"{ANTHROPIC}", "[api key]"),
    (f'{{"text": "first line\\n{OPENAI}"}}', '{"text": "first line\\n[api key]"}'),
    (f"\\u003c{OPENAI}\\u003e", "\\u003c[api key]\\u003e"),
    ("id AKIAIOSFODNN7EXAMPLE", "id [api key]"),
    (
        "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        "aws_secret_access_key = [secret]",
    ),
    ('"SecretAccessKey": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"', '"SecretAccessKey": "[secret]"'),
    (f"git clone with {GITHUB}", "git clone with [access token]"),
    ("github_pat_11ABCDEFG0" + "aB3" * 20, "[access token]"),
    ("glpat-aB3dE6gH9jK2mN5pQ8sT", "[access token]"),
    ("xoxb-123456789012-1234567890123-AbCdEfGhIjKl", "[access token]"),
    ("xapp-1-A0123456789-1234567890-abcdef0123456789", "[access token]"),
    ("https://hooks.slack.com/services/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", "https://[access token]"),
    ("AIzaSyA-1234567890abcdefghijklmnopqrstu", "[api key]"),
    ("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", "[secret]"),
    ("sk_live_aB3dE6gH9jK2mN5pQ8sT1uV4", "[api key]"),
    ("hf_aB3dE6gH9jK2mN5pQ8sT1uV4wXyzAbCdEf", "[access token]"),
    (f"cookie {JWT};", "cookie [access token];"),
    (f"before\n{PEM}\nafter", "before\n[private key]\nafter"),
    ("k: " + PEM.replace("\n", "\\n") + " after", "k: [private key] after"),
    (PEM[:160], "[private key]"),
    ("Authorization: Bearer abcdef1234567890", "Authorization: Bearer [access token]"),
    ('{"authorization": "Basic dXNlcjpodW50ZXIy"}', '{"authorization": "Basic [password]"}'),
    ("curl -H 'authorization: bearer abcdef123456'", "curl -H 'authorization: bearer [access token]'"),
    ("X-Api-Key: 9f8e7d6c5b4a", "X-Api-Key: [api key]"),
    ('"api_key": "abcd1234"', '"api_key": "[api key]"'),
    ('{\\"apiKey\\":\\"abcd1234\\",\\"a\\":1}', '{\\"apiKey\\":\\"[api key]\\",\\"a\\":1}'),
    ("GET /v1?api_key=a1b2c3d4&page=2", "GET /v1?api_key=[api key]&page=2"),
    ("password=hunter2", "password=[password]"),
    ("password=hunter", "password=[password]"),
    ("Password: swordfish\nLast login", "Password: [password]\nLast login"),
    ('{"password": "correct horse battery", "a": 1}', '{"password": "[password]", "a": 1}'),
    ('{"password": "say \\"x\\" now", "a": 1}', '{"password": "[password]", "a": 1}'),
    ("DB_PASSWORD=s3cr(et)!\\nNEXT=1", "DB_PASSWORD=[password]\\nNEXT=1"),
    ("connect(user='bob', password='x y z')", "connect(user='bob', password='[password]')"),
    ("connect(password=hunter2)", "connect(password=[password])"),
    ("--password hunter2 --verbose", "--password [password] --verbose"),
    ("<password>hunter2</password>", "<password>[password]</password>"),
    ("Server=db;Pwd=hunter2;Timeout=5", "Server=db;Pwd=[password];Timeout=5"),
    ('client_secret="aB3dE6gH9"', 'client_secret="[secret]"'),
    ("NPM_TOKEN=a1b2c3d4e5", "NPM_TOKEN=[access token]"),
    ("postgres://bob:hunter2@db.example.com:5432/x", "postgres://bob:[password]@db.example.com:5432/x"),
    ("redis://:hunter2@cache/0", "redis://:[password]@cache/0"),
    ("postgres://bob:p@ss@db/x", "postgres://bob:[password]@db/x"),
    ("postgres://bob:pa/ss@db/x", "postgres://bob:[password]@db/x"),
    ("https://bob:pw1@x.com/?mail=a@example.com", "https://bob:[password]@x.com/?mail=[e-mail address]"),
    ("write to bob.smith+x@mail.example.co.uk.", "write to [e-mail address]."),
    ("<bob@example.com>: hello", "<[e-mail address]>: hello"),
    ('"a\\nbob@example.com\\n"', '"a\\n[e-mail address]\\n"'),
    ("?mail=bob%40example.com&x=1", "?mail=[e-mail address]&x=1"),
    ("müller@example.com", "[e-mail address]"),
    ("card 4111 1111 1111 1111 12/27 123", "card [card number] 12/27 123"),
    ("card=4111111111111111.", "card=[card number]."),
    ("5500-0000-0000-0004", "[card number]"),
    ("visa2 4111 1111 1111 1111, a1b2 5500000000000004", "visa2 [card number], a1b2 [card number]"),
    ("3782 822463 10005, 378282246310005", "[card number], [card number]"),
    ("日本 4111111111111111 日本", "日本 [card number] 日本"),
    ("İstanbul password=hunter2", "İstanbul password=[password]"),
    ("4111\xa01111\xa01111\xa01111", "[card number]"),
    ("Password=3D hunter2 and password=3Dhunter2", "Password=3D [password] and password=3D[password]"),
    (f"{OPENAI[:30]}=\n{OPENAI[30:]} after", "[api key] after"),
    ("smtp user=bob pass=hunter2", "smtp user=bob pass=[password]"),
    ('{"user": "bob", "pass": "hunter2"}', '{"user": "bob", "pass": "[password]"}'),
    ("The password is hunter2. Keep it.", "The password is [password]. Keep it."),
    ("password:\n  hunter2x\nuser: bob", "password:\n  [password]\nuser: bob"),
    ('"api_key":\n    "abcd1234efgh",\n', '"api_key":\n    "[api key]",\n'),
    ('{"yaml": "api_key:\\n  abcd1234efgh\\nuser: bob"}', '{"yaml": "api_key:\\n  [api key]\\nuser: bob"}'),
    ("curl -u bob:hunter2 https://x", "curl -u bob:[password] https://x"),
    ("curl https://x --user 'bob:hun ter'", "curl https://x --user 'bob:[password] ter'"),
    ("Cookie: session=abcd1234efgh; theme=dark", "Cookie: [access token]"),
    ('{"set-cookie": "sid=a1b2c3d4e5f6; Path=/; HttpOnly"}', '{"set-cookie": "[access token]; HttpOnly"}'),
    ("https://a.example/c?sp=rl&sig=dGhpc2lzYXNpZ25hdHVyZTE%3D", "https://a.example/c?sp=rl&sig=[access token]"),
    ("AccountName=acc;AccountKey=abcdEFGH1234567890+/abcd==;x", "AccountName=acc;AccountKey=[api key];x"),
    ("hvs.CAESIJabcdefghijklmnop1234", "[access token]"),
    ("dop_v1_" + "0123456789abcdef" * 4, "[access token]"),
    ("dckr_pat_abcdefghij1234567890_-", "[access token]"),
    ("shpat_" + "0123456789abcdef" * 2, "[access token]"),
    ("dapi" + "0123456789abcdef" * 2 + " x", "[access token] x"),
    ("ATATT3xFfGF0abcdefghijklmnop0123456789", "[access token]"),
    ("lin_api_" + "aB3d" * 10, "[api key]"),
    ("ntn_" + "1234aBcD" * 6, "[access token]"),
    ("bot 123456789:AAEhBP0av28FsdEhBP0av28FsdEhBP0av28 says", "bot [access token] says"),
    ("https://discord.com/api/webhooks/123456789012345678/" + "aB3-_" * 12, "https://discord.com/api/[access token]"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "redacted"), SECRETS)
def test_a_secret_is_replaced_and_what_surrounds_it_is_not(text: str, redacted: str) -> None:
    assert REDACTOR.redact(text) == redacted
    assert REDACTOR.redact(redacted) == redacted


@pytest.mark.parametrize(
    "text",
    [
        "commit 9fceb02d0ae598e95dc970b74767f19372d61af8",
        "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "550e8400-e29b-41d4-a716-446655440000",
        "00000000-4111-1111-1111-111111111111",
        "trace 4bf92f3577b34da6a3ce929d0e0e4736, span 00f067aa0ba902b7",
        "2026-01-31T08:00:00.123456789Z 20260131080000 1767225600 1767225600000 1767225600000000 1767225600000000000",
        "order 4111111111111112, 4000-1234-5678-9011, ORD-4111111111111111, 12345678901234567890",
        "4111 1111 1111 1111 2222 3333",
        "0.4111111111111111 and 4111111111111111.25",
        "a4111111111111111 and 4111111111111111b",
        "git@github.com:org/repo.git",
        "ssh://git@github.com/org/repo and git@github.com: Permission denied (publickey).",
        "scp bob@host.example.com:/home/bob/x .",
        "connection to celery@worker.example.com:5672 refused",
        "root@10.0.0.1, bob@localhost, 'root'@'localhost', celery@worker-1.internal",
        "react@18.2.0-rc.beta @types/node@20.1.0 icon@2x.png render@app.js:10:5 docker://nginx:1.25@sha256:abc",
        "@app.route('/x') and @pytest.mark.parametrize",
        "http://localhost:8080/a?b=c@d http://jaeger:16686/api/traces",
        "postgres://bob@db.example.com/x postgres://${USER}:${PASSWORD}@db/x postgres://bob:***@db/x",
        "task-0123456789012345678901 disk-0123456789012345678901 sk-toggleable__control-label-arrow",
        '{"total_tokens": 12345678, "max_tokens": 4000, "next_page_token": "CAUQAA12345678"}',
        '"token": "Paris", "eos_token": "<|endoftext|>"',
        "password: str, password: must be at least 8 characters, password: click below to reset it",
        "Error: wrong password: authentication failed for user",
        "password=None password=$DB_PASSWORD password=os.environ['X'] password=get_password() password=self.password",
        'api_key=os.environ["OPENAI_API_KEY"] api_key = settings.api_key "api_key": null, api key: missing',
        "PWD=/home/agent/work pwd: ~/x self.pwd = pwd",
        "getpass(prompt='Password: ', stream=None) token = base64.b64encode(text)",
        "the secret: be kind. secretary: Bob. Secrets are kept in Vault.",
        "Bearer authentication is required; authorization: header missing",
        "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
        "the file begins with -----BEGIN PUBLIC KEY----- and base64 follows",
        "the keyboard, a monkey: bananas123, primary key: id_123456, keyword: search1",
        'tests: pass: 12, fail: 1; pass=12 fail=3; bypass: abc123; class="col-12x4" compass=north12',
        "the password is wrong, the password is 8 characters long, the password was changed yesterday",
        "password:\n  type: string\n  minLength: 8\napi_key:\n  $ref: abc123\n",
        "docker run -u 1000:1000 --user 1000:1000 nginx; useradd -u bob1:x; sort -u a:b",
        "a cookie: chocolate; cookies=2 cookie: consent=yes",
        "?sig=short&design=abc123def456ghi789jkl0 signature=none dapi0123 webhooks/12/abc",
        "10:AAB 12:AA 123456789:AAshort",
        "eyJ is how JWTs begin; eyJhbGciOiJIUzI1NiJ9 alone is a header",
        "",
        "NUL-free and 日本語 ünïcödé \U0001f600",
    ],
)
def test_ordinary_evidence_stays(text: str) -> None:
    assert REDACTOR.redact(text) == text


LISTS = json.loads((Path(__file__).parents[1] / "fixtures" / "redaction.json").read_text(encoding="utf-8"))


def test_the_lists_are_long_enough() -> None:
    assert len(LISTS["kinds"]) >= 150
    assert len(LISTS["honest"]) >= 100


@pytest.mark.parametrize("kind", LISTS["kinds"])
def test_every_kind_of_secret_is_replaced(kind: str) -> None:
    text, secrets = LISTS["kinds"][kind].values()
    assert all(secret in text for secret in secrets)
    redacted = REDACTOR.redact(text)
    assert not [secret for secret in secrets if secret in redacted]
    assert REDACTOR.redact(redacted) == redacted


@pytest.mark.parametrize("name", LISTS["honest"])
def test_honest_texts_stay(name: str) -> None:
    assert REDACTOR.redact(LISTS["honest"][name]) == LISTS["honest"][name]


PASSPORT_LINES = "P<UTOERIKSSON<<ANNA<MARIA" + "<" * 19 + "\nL898902C36UTO7408122F1204159ZE184226B<<<<<10"
ALSO = [
    ("ip_addresses", "from 203.0.113.7:8080 to 2001:db8::1", "from [IP address]:8080 to [IP address]"),
    ("ip_addresses", "X-Forwarded-For: 10.0.0.1, 192.168.1.254.", "X-Forwarded-For: [IP address], [IP address]."),
    ("ip_addresses", "::ffff:203.0.113.7 and fe80::1ff:fe23:4567:890a", "[IP address] and [IP address]"),
    ("dates_of_birth", "DOB: 1990-01-31, since 2020-01-01", "DOB: [date of birth], since 2020-01-01"),
    ("dates_of_birth", '{"date_of_birth": "31/01/1990"}', '{"date_of_birth": "[date of birth]"}'),
    ("dates_of_birth", '{"birthDate": "1990-01-31T00:00:00Z"}', '{"birthDate": "[date of birth]T00:00:00Z"}'),
    ("dates_of_birth", "She was born on January 31, 1990 in Rome", "She was born on [date of birth] in Rome"),
    ("dates_of_birth", "geboren am 31. Januar 1990", "geboren am [date of birth]"),
    ("passport_numbers", "Passport number: X1234567, please", "Passport number: [passport number], please"),
    ("passport_numbers", '{"passport_no": "533380006"}', '{"passport_no": "[passport number]"}'),
    ("passport_numbers", '{"passportNumber": "C01X00T47"}', '{"passportNumber": "[passport number]"}'),
    ("passport_numbers", PASSPORT_LINES, "[passport number]"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "text", "redacted"), ALSO)
def test_some_kinds_are_replaced_on_demand(kind: str, text: str, redacted: str) -> None:
    assert REDACTOR.redact(text) == text
    assert Redactor(also=[kind]).redact(text) == redacted
    assert Redactor(also=[kind]).redact(redacted) == redacted


@pytest.mark.parametrize(
    "text",
    [
        "version 1.2.3.4 at 127.0.0.1, ::1, std::vector, 12:30:45, 00:1A:2B:3C:4D:5E, 999.1.1.1, 1.2.3.4.5",
        "founded 1990-01-31, a birthday cake, data: 2020-01-01, due date 2026-12-31",
        "a passport is needed; passport number: required; passport.js 0.7.0; password hunter",
    ],
)
def test_what_is_near_the_kinds_on_demand_stays(text: str) -> None:
    assert Redactor(also=KINDS).redact(text) == text


def test_what_is_replaced_is_counted_and_texts_do_not_flow_into_each_other() -> None:
    counts: Counter[str] = Counter()
    texts = [
        "password=",
        "hunter2 bob@example.com",
        None,
        "",
        "4111 1111",
        "1111 1111",
        "a\x00b",
        f"{OPENAI} a@example.com",
    ]
    redacted = REDACTOR.redact_texts(texts, counts)
    assert redacted == [
        "password=", "hunter2 [e-mail address]", None, "", "4111 1111", "1111 1111", "a\ufffdb",
        "[api key] [e-mail address]",
    ]  # fmt: skip
    assert counts == {"e-mail address": 2, "api key": 1}


def test_redacting_twice_changes_nothing_more() -> None:
    random_ = random.Random(7)
    pieces = [text for text, _ in SECRETS] + [redacted for _, redacted in SECRETS]
    glue = ["", " ", "\n", '"', "=", ":", "@", "://", "password=", '"token": "', "-", "4", "\\n", "[", "]"]
    for _ in range(1500):
        text = "".join(random_.choice(pieces) + random_.choice(glue) for _ in range(4))
        once = REDACTOR.redact(text)
        assert REDACTOR.redact(once) == once, text


@pytest.mark.parametrize(
    "unit",
    [
        "a@a@a@", "@", "a@b.", "sk-sk-sk-", "eyJ", "eyJaaaaaaaa.", "://a:", "x://a:b@c@d/", 'password="', "password=`",
        "token='x password=\"", "<password>", "secret: ", "authorization: ", "-----BEGIN PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----\n" + "A" * 60 + "\n",
        "password is a1", "password:\n ", "curl -u a:", "cookie: a=bbbbbbbb1; ", "=\n",
        "pass=", "12345678:AAB", "4111 ", "4111", "\\", '\\"api_key\\":', "[[[", "[api key",
    ],
)  # fmt: skip
def test_hostile_text_costs_in_proportion_to_its_length(unit: str) -> None:
    """Each place that a rule tries costs about the same, so their number is what a text costs."""
    for text in (_repeated(unit, 40_000), _repeated(unit, 160_000)):
        coded = text.encode("latin-1", "replace")
        tried = find_crowded(text, coded, RULE_SET.find_places(text, coded)).left
        assert len(tried.places) <= len(text) / LEAST_APART + 2 * MOST_IN_A_SMALL_TEXT


@pytest.mark.parametrize("unit", ["token=", "@", "a@b.co ", "pass=", "password ", "sk-", ":AAE", "token='x ", "ghp_"])
@pytest.mark.parametrize(
    "secret", [f" {OPENAI} ", ' password="correct horse battery" ', " bob@example.com ", f" {PEM} "]
)
def test_a_secret_in_hostile_text_is_replaced(unit: str, secret: str) -> None:
    for text in (
        _repeated(unit, 9_001) + secret,
        secret + _repeated(unit, 9_001),
        secret.join([_repeated(unit, 99_000)] * 2),
    ):
        redacted = REDACTOR.redact(text)
        assert not any(part in redacted for part in (OPENAI[3:], "horse", "bob", "MIIE"))


def test_a_crowded_stretch_is_replaced_as_a_whole_and_what_is_around_it_is_not() -> None:
    counts: Counter[str] = Counter()
    around = "The order was found and shipped. " * 200
    (redacted,) = REDACTOR.redact_texts([around + "token=" * 3_000 + around], counts)
    assert redacted is not None
    assert redacted.startswith("The order was found and shipped. " * 100)
    assert redacted.endswith("The order was found and shipped. " * 100)
    assert redacted.count(f"[{CROWDED}]") == 1
    assert counts[CROWDED] == 1
    assert REDACTOR.redact(redacted) == redacted


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("bob.smith@example.com\n" * 2_000, "e-mail address"),
        ('{"token": "a1b2c3d4e5f6"}\n' * 2_000, "access token"),
        ("card 4111 1111 1111 1111\n" * 2_000, "card number"),
    ],
)
def test_lists_of_secrets_are_replaced_one_by_one(text: str, label: str) -> None:
    assert REDACTOR.redact(text).count(f"[{label}]") == 2_000


@pytest.mark.parametrize("text", ["@" * 9_000, "=====@@@@@..@@\n" * 900, '{"token": "the", "id": 5},\n' * 900])
def test_what_only_looks_crowded_stays(text: str) -> None:
    assert REDACTOR.redact(text) == text


def test_many_short_texts_do_not_crowd_each_other() -> None:
    texts: list[str | None] = ["token=", "ana@x.io", "pass: 1"] * 500
    redacted = REDACTOR.redact_texts(texts, Counter())
    assert redacted == ["token=", "[e-mail address]", "pass: 1"] * 500


def test_a_long_value_without_a_digit_is_read_once() -> None:
    text = "access_token=((((" * 200
    (find,) = (rule.find for rule in ANCHORED_RULES if rule.anchors[0].startswith("ken[") and rule.need)
    span = find(text, text.index("ken"))
    assert span is not None
    start, end, label = span
    assert label == BARREN
    assert end - start > len(text) - 100
    # Up to there no rule finds anything; behind it, what has a digit is found.
    assert all((find(text, place) or span)[2] == BARREN for place in range(start, end) if text.startswith("ken", place))
    assert REDACTOR.redact(text + "1a").endswith("[access token]")


def _repeated(unit: str, size: int) -> str:
    return (unit * (size // len(unit) + 1))[:size]


def test_own_expressions_come_with_their_label() -> None:
    counts: Counter[str] = Counter()
    redactor = Redactor({"customer": r"\bK-\d{6}\b", "word": "key|address|customer"})
    texts = redactor.redact_texts([f"K-123456 has {OPENAI}, the key", "no K-1234567", "x@example.com"], counts)
    assert texts == ["[customer] has [api key], the [word]", "no K-1234567", "[e-mail address]"]
    assert counts == {"customer": 1, "api key": 1, "word": 1, "e-mail address": 1}
    assert redactor.redact_texts(texts, Counter()) == texts


@pytest.mark.parametrize(
    ("rules", "reason"),
    [
        ({"customer": "K-("}, r"'customer' is wrong: missing \), unterminated subpattern"),
        ({"customer": "x*"}, "'customer' matches the empty text"),
        ({"[x]": "x"}, r"the label '\[x\]' must begin with a letter"),
    ],
)
def test_a_wrong_expression_is_refused_with_its_label_and_the_reason(rules: dict[str, str], reason: str) -> None:
    with pytest.raises(RefusedError, match=reason):
        Redactor(rules)


def test_a_hook_gets_what_the_rules_leave_and_is_counted() -> None:
    seen = []

    def hook(text: str) -> str:
        seen.append(text)
        return text.replace("Bob", "[person]")

    counts: Counter[str] = Counter()
    assert Redactor({}, hook).redact_texts([f"Bob has {OPENAI}", "fine", None, ""], counts) == [
        "[person] has [api key]", "fine", None, "",
    ]  # fmt: skip
    assert seen == ["Bob has [api key]", "fine"]
    assert counts == {OWN_CODE: 1, "api key": 1}


def test_a_hook_that_fails_lets_nothing_through() -> None:
    def hook(text: str) -> str:
        raise ValueError(text)

    with pytest.raises(RedactionError, match=r"^the redaction hook failed: ValueError$") as caught:
        Redactor({}, hook).redact("Bob's text")
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
    with pytest.raises(RedactionError, match="gave NoneType, not text"):
        Redactor({}, lambda text: None).redact("x")  # type: ignore[arg-type, return-value]
