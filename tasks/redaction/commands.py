"""Passwords in command lines (``mysql -p…``, ``curl -u bob:…``), in statements, and in the files that commands read."""

from __future__ import annotations

import re
from typing import NamedTuple

from tasks.redaction.kinds import PASSWORD, Find, Rule, Span
from tasks.redaction.plain_values import is_path, is_placeholder

_VALUE = r"(?P<value>[^\s\"'`\\\x00]{1,200})"
_OPEN = r"(?:\\{0,3}[\"'`])?"
# Behind an option's letter: nothing, a space or =, or the next element of a list of arguments.
_GAP = r"(?:[ =]{1,2}|\\{0,3}[\"'],[ ]?(?=\\{0,3}[\"']))"


class Option(NamedTuple):
    """An option for a password and the commands that have it.

    ``user`` is what stands before the password in the same word; ``spaced`` when a space may stand before the word.
    """

    commands: tuple[str, ...]
    spaced: bool = True
    user: str = ""


_COLON = r"[^\s:\"'`\x00]{1,100}:"
_OPTIONS = {
    "-p": (
        # With a space, MySQL asks for the password, and what follows is the database.
        Option(("mysql", "mariadb", "xtrabackup", "7z", "7za"), spaced=False),
        Option(("mongo", "sshpass", "login", "cqlsh", "clickhouse", "ipmitool", "rabbitmqadmin", "snowsql")),
        Option(("useradd", "usermod", "hydra", "winexe", "ncftp", "kafka", "influx", "plink", "pscp")),
    ),
    "-P": (Option(("sqlcmd", "bcp", "osql", "isql", "unzip", "zip", "mosquitto")),),
    "-a": (Option(("redis-cli", "valkey-cli", "keydb-cli")), Option(("http", "https", "xh"), user=_COLON)),
    "-w": (Option(("ldapsearch", "ldapadd", "ldapmodify", "ldapdelete", "ldapwhoami", "ldappasswd")),),
    "-u": (Option(("curl", "wget"), user=_COLON), Option(("lftp",), user=r"[^\s,\"'`\x00]{1,100},")),
    "-U": (Option(("smbclient", "rpcclient", "winexe"), user=r"[^\s%\"'`\x00]{1,100}%"),),
    "--user": (Option(("curl", "wget"), user=_COLON),),
    "--proxy-user": (Option(("curl",), user=_COLON),),
}
_LONGEST_COMMAND = 200
_LINE_END_WITHIN = re.compile(r"[\n|;\x00]|&&")
_BEFORE_NAME = re.compile(r"[\w.-]")
# mysqldump, mongosh, mosquitto_pub and so on.
_AFTER_NAME = re.compile(r"[\w-]{0,20}[\s\"',\\]")


def _command_at(line: str, name: str) -> bool:
    """Whether the last ``name`` in ``line`` is a command, and its own options follow up to the end."""
    at = line.rfind(name)
    return (
        (at == 0 or _BEFORE_NAME.match(line, at - 1) is None)
        and not _LINE_END_WITHIN.search(line, at)
        and _AFTER_NAME.match(line + " ", at + len(name)) is not None
    )


def _find_option(flag: str) -> Find:
    """The password behind an option, from the sign before its dash, if one of its commands is before it."""
    options = [
        (
            option.commands,
            re.compile(flag + (f"{_GAP}?" if option.spaced else "") + _OPEN + option.user + _VALUE),
        )
        for option in _OPTIONS[flag]
    ]

    def find(text: str, place: int) -> Span | None:
        if not text.startswith(flag, place + 1):
            return None
        line = text[max(0, place - _LONGEST_COMMAND) : place]
        for commands, pattern in options:
            for name in commands:
                if name in line and _command_at(line, name):
                    match = pattern.match(text, place + 1)
                    return _password(text, match) if match else None
        return None

    return find


_PORTS = re.compile(r"\d{1,5}:\d{1,5}")


def _password(text: str, match: re.Match[str]) -> Span | None:
    start, end = match.span("value")
    if text[start] == "-" or is_placeholder(text, start, end) or is_path(text[start:end]):
        return None
    value = text[start:end]
    if "(" not in value and "[" not in value:
        value = value.rstrip(")];,") or value
        end = start + len(value)
    # docker run -u 1000:1000 -p 8080:80
    if _PORTS.fullmatch(value) or (value.isdigit() and text[start - 1] == ":"):
        return None
    return start, end, PASSWORD


def _statement(pattern: str, offset: int) -> Find:
    """The ``value`` of ``pattern``, whose anchor is ``offset`` characters into it."""
    compiled = re.compile(pattern)

    def find(text: str, place: int) -> Span | None:
        match = compiled.match(text, place - offset) if place >= offset else None
        return _password(text, match) if match else None

    return find


_LINE_END = r"(?=[\s\x00\"'`]|\\[nr]|\Z)"
_PGPASS = re.compile(
    r"(?P<host>[\w.*-]{1,100}|\[[0-9a-f:]{2,40}\]):(?:\d{4,5}|\*):[^\s:\x00]{1,63}:[^\s:\x00]{1,63}:"
    r"(?P<value>(?:[^\s:\\\"'`\x00]{1,100}+|\\[:\\]){1,8})" + _LINE_END
)
_HOST_REVERSED = re.compile(r"[\w.*-]{1,100}|\][0-9a-f:]{2,40}\[")


def _find_pgpass(text: str, place: int) -> Span | None:
    """The last field of ``host:port:database:user:password``, from the first colon."""
    host = _HOST_REVERSED.match(text[max(0, place - 100) : place][::-1])
    if host is None:
        return None
    start = place - host.end()
    # The n of a JSON text's \n is not the host's.
    if start and text[start - 1] == "\\":
        start += 1
    match = _PGPASS.match(text, start)
    return _password(text, match) if match else None


_BEFORE_CHPASSWD = re.compile(r"[\"' ][\w.-]{1,40}:(?P<value>[^\s\"'\\]{1,100})\\{0,2}[\"']? ?\| ?(?:sudo )?\Z")


def _find_chpasswd(text: str, place: int) -> Span | None:
    match = _BEFORE_CHPASSWD.search(text, max(0, place - 150), place)
    return _password(text, match) if match else None


_IDENTIFIED = (
    r"(?i:identified(?: with [\w'\"]{1,40})? (?:by|as)(?: password)?) \\{0,3}[\"'](?P<value>[^\s\"'\\\x00]{1,200})"
)
_PIPED = (
    r"echo(?: -n)? " + _OPEN + _VALUE + r"\\{0,2}[\"']? ?\| ?"
    r"(?:sudo (?:-\w+ ){0,3}-S\b|(?:sudo )?passwd --stdin|[^\n|\x00]{0,80}?--(?:password|pass|token)-stdin)"
)

COMMAND_RULES = (
    Rule((" -p", "[\"']-p"), _find_option("-p")),
    Rule((" -P", "[\"']-P"), _find_option("-P")),
    Rule((" -a[ \"'=]", "[\"']-a[\"']"), _find_option("-a")),
    Rule((" -w[ \"'=]", "[\"']-w[\"']"), _find_option("-w")),
    Rule((" -u", "[\"']-u[\"']"), _find_option("-u")),
    Rule((" -U", "[\"']-U[\"']"), _find_option("-U")),
    Rule((" --u", "[\"']--u"), _find_option("--user")),
    Rule((" --p",), _find_option("--proxy-user")),
    Rule((":543", ":643", ":654", ":262", ":[*]:"), _find_pgpass),
    Rule(("chpa",), _find_chpasswd),
    Rule(("tifi",), _statement(_IDENTIFIED, 4), fold=True),
    Rule(("echo",), _statement(_PIPED, 0)),
    Rule(("irep",), _statement(r"requirepass[ \t]{1,8}" + _OPEN + _VALUE, 4)),
    Rule(("erau",), _statement(r"masterauth[ \t]{1,8}" + _OPEN + _VALUE, 4)),
    Rule(
        ("bbit",), _statement(r"rabbitmqctl (?:-\S+ \S+ )?(?:add_user|change_password) \S{1,100} " + _OPEN + _VALUE, 2)
    ),
    Rule(
        ("qlpl",),
        _statement(
            r"sqlplus (?:-\S{1,10} ){0,3}" + _OPEN + r"\w{1,60}/(?P<value>[^\s@\"'/\\\x00]{1,100})(?=[@\s\"'])", 1
        ),
    ),
    Rule(
        ("htpa",),
        _statement(
            r"htpasswd -\w{0,5}b\w{0,5}(?: -\w{1,5}){0,3}(?: [^\s\x00]{1,100})? [\w.@-]{1,60} "
            + _OPEN
            + _VALUE
            + r"(?=\\?[\s\"'\x00]|\Z)",
            0,
        ),
    ),
    Rule(
        ("net ",), _statement(r"net user \S{1,60} " + _OPEN + _VALUE + r"(?= /(?:add|domain|active|y)\b)", 0), fold=True
    ),
    Rule(("ORD(",), _statement(r"PASSWORD\(\\{0,3}['\"](?P<value>[^\s\"'\\\x00]{1,200})", 5)),
    Rule(("thin",), _statement(r"thin:[^\s:/\x00]{1,60}/(?P<value>[^\s@/\x00]{1,100})(?=@)", 0)),
    Rule((" /p:",), _statement(r" /p:" + _OPEN + _VALUE, 0)),
)
