"""The ledger in SQL: each answer is claimed before it is paid for, and committed when it arrives."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

from tasks.evidence.types import AgentId
from tasks.judge.ledger import Claim, Paid, PaidAnswer, unknown_cost
from tasks.judge.prompt.instructions import Kind
from tasks.warehouse.engine import Database
from tasks.warehouse.owner import Owner, current_owner, is_alive, is_local
from tasks.warehouse.schema import judge_calls, reports, reused_answers

_CLAIMED = "claimed"
_ANSWERED = "answered"
_UNANSWERED = "unanswered"
_USABLE = "usable"
_FIELDS = tuple(PaidAnswer.model_fields)
_CLAIM_FIELDS = (
    "fingerprint",
    "status",
    "kind",
    "model",
    "report_id",
    "agent_id",
    "sample",
    "claimed_by",
    "claimed_until",
    "most_usd",
    "created_at",
)

# Statements are made once: of the 3.1 ms of CPU that an answer took in the ledger, making them again took 1.8.
_ANSWER = (
    sa.select(judge_calls.c.id, *(judge_calls.c[name] for name in _FIELDS))
    .where(judge_calls.c.fingerprint == sa.bindparam("fingerprint"))
    .where(judge_calls.c.status == _ANSWERED, judge_calls.c.outcome == _USABLE)
    .order_by(judge_calls.c.id.desc())
    .limit(1)
)
_ANSWER_SINCE = _ANSWER.where(judge_calls.c.created_at >= sa.bindparam("since"))
_HELD = sa.select(
    *(judge_calls.c[name] for name in ("id", "report_id", "claimed_by", "claimed_until", "created_at"))
).where(judge_calls.c.fingerprint == sa.bindparam("fingerprint"), judge_calls.c.status == _CLAIMED)
_IS_CLAIM = sa.and_(judge_calls.c.id == sa.bindparam("claim_id"), judge_calls.c.status == _CLAIMED)
# One that lapsed has become an unanswered call, and is answered after all when its holder comes late.
_IS_OPEN = sa.and_(judge_calls.c.id == sa.bindparam("claim_id"), judge_calls.c.status != _ANSWERED)
_DELETE_CLAIM = sa.delete(judge_calls).where(_IS_OPEN)
_LOST: dict[str, Any] = {"status": _UNANSWERED, "claimed_by": None, "claimed_until": None}
_LAPSE_CLAIM = sa.update(judge_calls).where(_IS_CLAIM).values(_LOST | {"attempts": 1})
_INSERT_REUSE = sa.text(
    f"INSERT INTO {reused_answers.name} (report_id, judge_call_id) VALUES (:report_id, :call_id) ON CONFLICT DO NOTHING"  # noqa: S608
)
_ANSWERED_FIELDS = (*_FIELDS, "status", "created_at")
_ANSWER_CLAIM = (
    sa.update(judge_calls)
    .where(_IS_OPEN)
    .values({name: sa.bindparam(f"new_{name}", type_=judge_calls.c[name].type) for name in _ANSWERED_FIELDS})
    .values(claimed_by=None, claimed_until=None)
)
# As text, which both databases understand: SQLAlchemy compiles its own ON CONFLICT at every call.
_INSERT_UNLESS_CLAIMED = sa.text(
    f"INSERT INTO {judge_calls.name} ({', '.join(_CLAIM_FIELDS)}) "  # noqa: S608 - names of our own
    f"VALUES ({', '.join(f':{name}' for name in _CLAIM_FIELDS)}) ON CONFLICT DO NOTHING RETURNING id"
).bindparams(*(sa.bindparam(name, type_=judge_calls.c[name].type) for name in _CLAIM_FIELDS))


class SqlLedger:
    """The judge's ``Ledger`` over the table ``judge_calls``; safe to call from many threads and processes.

    Every method raises WarehouseError when the database cannot be read or written.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(
        self, fingerprint: str, *, since: datetime | None = None, report_id: int | None = None
    ) -> PaidAnswer | None:
        """The newest usable answer under ``fingerprint``; None when there is none, or only unusable ones.

        One that arrived before ``since`` (aware, by the clock of the host that kept it) does not count. With
        ``report_id`` this report takes it, which is noted as by ``claim``.
        """
        with self._database.reading() as connection:
            row = _answer(connection, fingerprint, since)
        if row is None:
            return None
        self._take(row, report_id)
        return _paid(row)

    def _take(self, known: RowMapping, report_id: int | None) -> None:
        if report_id not in (None, known["report_id"]):
            with self._database.writing(durable=False) as connection:
                _note_reuse(connection, report_id, known)

    def claim(
        self,
        fingerprint: str,
        *,
        kind: Kind,
        model: str,
        report_id: int | None,
        agent_id: AgentId | None,
        seconds: float,
        sample: int = 0,
        since: datetime | None = None,
        most_usd: Callable[[], float | None] = unknown_cost,
        moment: datetime | None = None,
    ) -> PaidAnswer | Claim | None:
        """What ``find`` finds; else a claim, which the caller now holds; or None: another holds it, ask again soon.

        The claim lapses after ``seconds`` of the database's clock (at once for 0), or when this process is gone: for
        those on this host at once, for others when its report has had no heartbeat for a minute or belongs to another
        process by now. Then it becomes an ``unanswered`` call, whose cost is not known, and the next caller gets a
        claim. ``most_usd`` is only called for a claim, outside of any transaction.

        ``moment`` (now, when it is not given) distinguishes a claim from others: the same call with the same moment,
        after one of which it is not known whether it was committed, finds its own claim.

        That report ``report_id`` took an answer which another one paid for is noted: the answer is kept as long as
        either of them is.
        """
        with self._database.reading() as connection:
            known = _answer(connection, fingerprint, since)
            # Who asks again and again only reads: it does not stand in the line of the writers.
            held = None if known is not None else _held(connection, fingerprint)
            is_own = held is not None and moment is not None and _is_own(held, moment)
            if held is not None and not is_own and not _has_lapsed(connection, held, _now(connection)):
                return None
        if known is not None:
            self._take(known, report_id)
            return _paid(known)
        most = most_usd()
        if held is not None and is_own:
            return Claim(id=held["id"], fingerprint=fingerprint, most_usd=most)
        values = {
            "fingerprint": fingerprint,
            "status": _CLAIMED,
            "kind": kind,
            "model": model,
            "report_id": report_id,
            "agent_id": agent_id,
            "sample": sample,
            "claimed_by": current_owner(),
            "most_usd": most,
            "created_at": moment or datetime.now(UTC),
        }
        with self._database.writing(durable=False) as connection:
            if held is not None:
                # By its id, which is never used again: a claim made since then is not touched.
                connection.execute(_LAPSE_CLAIM, {"claim_id": held["id"]})
            values["claimed_until"] = _now(connection) + timedelta(seconds=seconds)
            claim_id = connection.execute(_INSERT_UNLESS_CLAIMED, values).scalar()
            if claim_id is None:
                return None
            # The one who held the claim may have answered after we looked. If so, it has committed by now: until
            # then the unique index made us wait (PostgreSQL), or the lock of the writers (SQLite).
            if (known := _answer(connection, fingerprint, since)) is not None:
                connection.execute(_DELETE_CLAIM, {"claim_id": claim_id})
                _note_reuse(connection, report_id, known)
                return _paid(known)
        return Claim(id=claim_id, fingerprint=fingerprint, most_usd=most)

    def lapse_claims(self, report_id: int) -> None:
        """Make unanswered calls of a report's claims: for the process that resumes it, as its owner is dead."""
        claims = (judge_calls.c.report_id == report_id) & (judge_calls.c.status == _CLAIMED)
        with self._database.writing() as connection:
            connection.execute(sa.update(judge_calls).where(claims).values(_LOST | {"attempts": 1}))

    def spent_usd(self, report_id: int, most_usd: float = 0.0) -> float:
        """What was spent on a report's answers; 0 without any.

        An unknown cost (such as an unanswered call's) counts as the most that it can be, and ``most_usd`` where the
        ledger does not have that either, as it is of an earlier version.
        """
        counted = sa.func.coalesce(judge_calls.c.cost_usd, judge_calls.c.most_usd, most_usd)
        query = sa.select(sa.func.coalesce(sa.func.sum(counted), 0.0)).where(judge_calls.c.report_id == report_id)
        with self._database.reading() as connection:
            return float(connection.execute(query).scalar_one())

    def load_paid(self, report_id: int) -> dict[AgentId | None, Paid]:
        """What was paid for a report by agent id, the team's under None; empty when it took all answers from others."""
        calls = judge_calls.c
        parts = ("prompt_tokens", "completion_tokens", "cost_usd")
        sums = [of for name in parts for of in (sa.func.count(calls[name]), sa.func.sum(calls[name]))]
        query = sa.select(calls.agent_id, sa.func.count(), *sums).where(calls.report_id == report_id)
        with self._database.reading() as connection:
            rows = connection.execute(query.group_by(calls.agent_id)).all()
        paid = {}
        for agent_id, count, prompts, prompt_tokens, completions, completion_tokens, costs, cost_usd in rows:
            paid[agent_id] = Paid(
                calls=count,
                prompt_tokens=int(prompt_tokens) if prompts == count else None,
                completion_tokens=int(completion_tokens) if completions == count else None,
                cost_usd=float(cost_usd) if costs == count else None,
                known_cost_usd=float(cost_usd or 0.0),
            )
        return paid

    def commit(
        self, answer: PaidAnswer, claim: Claim | None = None, *, moment: datetime | None = None, again: bool = False
    ) -> None:
        """Keep ``answer`` for good, usable or not, in a transaction of its own; it is durable on return.

        A usable one turns the row of ``claim`` into its own. An unusable one, and one whose claim was released, gets a
        row of its own; then the claim goes on, for a call of up to its ``most_usd``. ``moment`` is when the answer
        arrived (now, when it is not given); ``again`` means that the same was tried before and may have been committed.
        """
        moment = moment or datetime.now(UTC)
        values: dict[str, Any] = {**answer.model_dump(), "status": _ANSWERED, "created_at": moment}
        is_usable = answer.outcome == _USABLE
        with self._database.writing() as connection:
            if not (again and _is_kept(connection, answer, moment)):
                took = False
                if claim is not None and is_usable:
                    turned = {f"new_{name}": value for name, value in values.items()}
                    took = bool(connection.execute(_ANSWER_CLAIM, turned | {"claim_id": claim.id}).rowcount)
                if not took:
                    most = claim.most_usd if claim is not None else None
                    connection.execute(sa.insert(judge_calls).values(values | {"most_usd": most}))
                if claim is not None:
                    _keep_unanswered(connection, answer, claim, moment)
        if claim is not None:
            claim.answered = claim.answered or is_usable
            claim.unanswered, claim.unanswered_usd = 0, None

    def release(self, claim: Claim) -> None:
        """Give ``claim`` up; nothing happens when it was answered or released. Its unanswered calls are kept."""
        with self._database.writing(durable=bool(claim.unanswered)) as connection:
            if claim.unanswered:
                lost = _LOST | {"attempts": claim.unanswered, "most_usd": claim.unanswered_usd}
                connection.execute(sa.update(judge_calls).where(_IS_OPEN).values(lost), {"claim_id": claim.id})
            else:
                connection.execute(_DELETE_CLAIM, {"claim_id": claim.id})

    def flush(self) -> None:
        """Nothing is left: every method writes at once."""


def _is_own(held: RowMapping, moment: datetime) -> bool:
    return (
        held["created_at"] == moment
        and held["claimed_by"] is not None
        and Owner(**held["claimed_by"]) == current_owner()
    )


def _is_kept(connection: Connection, answer: PaidAnswer, moment: datetime) -> bool:
    calls = judge_calls.c
    same = (calls.fingerprint == answer.fingerprint, calls.status == _ANSWERED, calls.created_at == moment)
    query = sa.select(calls.id).where(*same, calls.report_id.is_not_distinct_from(answer.report_id)).limit(1)
    return connection.execute(query).first() is not None


def _keep_unanswered(connection: Connection, answer: PaidAnswer, claim: Claim, moment: datetime) -> None:
    if answer.outcome != _USABLE:
        going_on = sa.update(judge_calls).where(_IS_OPEN).values(most_usd=claim.most_usd)
        connection.execute(going_on, {"claim_id": claim.id})
    if claim.unanswered:
        of = {
            name: getattr(answer, name) for name in ("fingerprint", "kind", "model", "report_id", "agent_id", "sample")
        }
        lost = {"attempts": claim.unanswered, "most_usd": claim.unanswered_usd, "created_at": moment}
        connection.execute(sa.insert(judge_calls).values(of | _LOST | lost))


def _answer(connection: Connection, fingerprint: str, since: datetime | None) -> RowMapping | None:
    parameters: dict[str, Any] = {"fingerprint": fingerprint}
    if since is None:
        return connection.execute(_ANSWER, parameters).mappings().first()
    return connection.execute(_ANSWER_SINCE, parameters | {"since": since}).mappings().first()


def _paid(row: RowMapping) -> PaidAnswer:
    return PaidAnswer(**{name: row[name] for name in _FIELDS})


def _note_reuse(connection: Connection, report_id: int | None, known: RowMapping) -> None:
    if report_id not in (None, known["report_id"]):
        connection.execute(_INSERT_REUSE, {"report_id": report_id, "call_id": known["id"]})


def _held(connection: Connection, fingerprint: str) -> RowMapping | None:
    return connection.execute(_HELD, {"fingerprint": fingerprint}).mappings().first()


def _has_lapsed(connection: Connection, held: RowMapping, now: datetime) -> bool:
    if held["claimed_by"] is None or held["claimed_until"] is None or held["claimed_until"] <= now:
        return True
    owner = Owner(**held["claimed_by"])
    if is_local(owner):
        return not is_alive(owner, heartbeat=None, now=now)
    # A process of another host cannot be checked: there its report's heart beats for it, or only the time counts.
    query = sa.select(reports.c.owner, reports.c.heartbeat).where(reports.c.id == held["report_id"])
    report = connection.execute(query).mappings().first()
    if report is None:
        return False
    return report["owner"] != held["claimed_by"] or not is_alive(owner, report["heartbeat"], now)


def _now(connection: Connection) -> datetime:
    """The time on the one clock that all processes of this database share; SQLite's is the host's."""
    if connection.dialect.name != "postgresql":
        return datetime.now(UTC)
    # Not now(): that is when the transaction began, which can be long ago behind a lock.
    moment: datetime = connection.execute(sa.select(sa.func.clock_timestamp())).scalar_one()
    return moment.astimezone(UTC)
