"""A session with a federation: ask for tables, prices, answers and budgets.

    from cotally.client import connect
    con = connect()                     # the profile that COTALLY_PROFILE names
    q = con.sql("SELECT sex, COUNT(*) AS n FROM people GROUP BY sex WITH PRIVACY (epsilon = 0.5)")
    print(q.explain())                  # price and expected errors; spends nothing
    r = q.run()                         # checked before a number is shown
    r.df()
"""

from . import quiet  # isort: split

import os
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Self

import grpc

from cotally.v1 import (
    analyst_pb2,
    analyst_pb2_grpc,
    audit_pb2_grpc,
    catalog_pb2,
    log_pb2,
    query_pb2,
    roster_pb2,
    work_pb2,
)
from cotally.v1.canonical import NotCanonical, digest, to_sign
from cotally.v1.refusals import Refusal, Refused

from . import profile as profiles
from .ask import Ask, Watcher
from .budget import Filter, frame
from .channel import open_channel, refusals, to_refused
from .frames import Joiner, join
from .handle import TableHandle
from .privacy import Account
from .profile import Profile
from .question.draft import Question
from .verify.lineage import check_reached

if TYPE_CHECKING:  # pandas and sqlglot take half a second to load: only what needs them waits
    import pandas as pd

    from .audit.verifier import Audited
    from .release import Release
    from .study import Study

__all__ = ["Connection", "connect", "quiet"]

VERSION = 1                 # of the protocol
CALL_SECONDS = 20.0         # for everything but a round
ROUND_SECONDS = 300.0
QUESTION_SECONDS = 120      # how long a signed question stays valid
RECONNECT_SECONDS = 30.0    # how long a broken line is dialled again in the middle of a round


def connect(profile: str | Path | None = None) -> "Connection":
    """A connection for the profile at this path, or the one that COTALLY_PROFILE names.

    Raises Misconfigured for a broken profile, Refused CREDENTIALS for a certificate that cannot
    serve, UNREACHABLE where no coordinator answers, and refuses a coordinator that shows another
    roster than the pinned one.
    """
    return Connection(profiles.load(profile))


class Connection:
    """An analyst's line to one federation. Use it as a context manager, or close it."""

    def __init__(self, profile: Profile) -> None:
        self.profile = profile
        self._signer = profile.signer()
        self._channel = open_channel(profile)
        self._analysts = analyst_pb2_grpc.AnalystsStub(self._channel)
        self._audit = audit_pb2_grpc.AuditStub(self._channel)
        try:
            self.charter, self.connected = self._welcome()
        except BaseException:
            self._channel.close()
            raise

    def _welcome(self) -> tuple[roster_pb2.Charter, tuple[str, ...]]:
        hello = work_pb2.Hello(version=VERSION, federation="", roster=self.profile.roster,
                               name=self.profile.name)
        with refusals(self.profile.coordinator):
            answer = self._analysts.Welcome(analyst_pb2.WelcomeRequest(hello=hello), timeout=CALL_SECONDS)
        charter = answer.charter
        try:
            check_reached(charter, (), self.profile.roster)
        except (Refused, NotCanonical):
            raise Refused(Refusal.CREDENTIALS,
                          f"the coordinator at {self.profile.coordinator} shows another roster than the one "
                          f"pinned in {self.profile.path}, and no approved successor of it") from None
        if digest("catalog", charter.catalog) != charter.roster.catalog:
            raise Refused(Refusal.CREDENTIALS, "the coordinator shows a catalog that is not the roster's")
        return charter, tuple(answer.connected)

    def close(self) -> None:
        """Hang up."""
        self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # What can be asked

    @property
    def catalog(self) -> catalog_pb2.Catalog:
        """The federation's catalog, as pinned."""
        return self.charter.catalog

    def tables(self) -> "pd.DataFrame":
        """One row per table."""
        from .schema import tables
        return tables(self.charter.catalog)

    def table(self, name: str) -> TableHandle:
        """One table, to look at or to ask about: `con.table("people").group_by("sex").agg(n=count())`."""
        return TableHandle(table=name, connection=self)

    def sql(self, text: str, purpose: str | None = None) -> Ask:
        """The question that *text* asks; refused at once where it cannot be asked."""
        from .sql.parse import parse
        return self.ask(parse(text, self.charter.catalog), purpose)

    def ask(self, question: Question, purpose: str | None = None) -> Ask:
        """A question that was built already."""
        if purpose and question.purpose and purpose != question.purpose:
            raise Refused(Refusal.BAD_PRIVACY, f"the question says purpose {question.purpose!r}, and you "
                                               f"{purpose!r}; leave one of them out")
        purpose = purpose or question.purpose or self.profile.purposes[0]
        return Ask(self, question.query, purpose, question.only_price, question.replay)

    def afford(self, questions: "Iterable[str | Ask | TableHandle]") -> "Study":
        """The price of several questions together, in this order, and which will not fit; spends nothing."""
        from .study import Study
        quoted = []
        for number, each in enumerate(questions, start=1):
            ask = self.sql(each) if isinstance(each, str) else each.ask() if isinstance(
                each, TableHandle) else each
            text = each if isinstance(each, str) else f"question {number} on {ask.query.table}"
            quoted.append((text, ask.explain()))
        return Study.of(quoted)

    # Prices and budgets

    def budget(self) -> "pd.DataFrame":
        """One row per filter: what it allows, what is spent and left, as rho and as epsilon at delta."""
        return frame(self.filters())

    def filters(self) -> list[Filter]:
        """The filters behind `budget()`."""
        with refusals(self.profile.coordinator):
            answer = self._analysts.Budget(analyst_pb2.BudgetRequest(), timeout=CALL_SECONDS)
        delta = self.charter.roster.policy.delta
        return [Filter.of(status, Account.of(status.population, self.catalog, delta))
                for status in answer.filters]

    def quote(self, query: query_pb2.Query, purpose: str) -> analyst_pb2.QuoteResponse:
        """The coordinator's price for *query*; free."""
        with refusals(self.profile.coordinator):
            return self._analysts.Quote(
                analyst_pb2.QuoteRequest(query=query, purpose=purpose), timeout=CALL_SECONDS)

    # Answers

    def run(self, query: query_pb2.Query, purpose: str, watch: Watcher | None = None,
            replay: bool = True) -> "Release":
        """Ask *query*, wait for the round, verify the release; nothing is returned before that.

        Where *replay* allows it, the answer may be the stored release of an equal question.
        """
        from .release import Release
        envelope = self._envelope(query, purpose, not replay)
        bundle = self._ask(envelope, watch or _ignore)
        if bundle.announcement.body.envelope == envelope:
            return Release.of(bundle, self.profile.roster)
        if not replay:
            raise Refused(Refusal.EQUIVOCATION, "the coordinator answered another question than ours")
        return Release.replay(bundle, self.profile.roster, query)

    def release(self, release_id: str) -> "Release":
        """A release of ours again, fetched and verified."""
        from .release import Release
        try:
            round_ = bytes.fromhex(release_id)
        except ValueError:
            raise Refused(Refusal.MALFORMED, f"{release_id[:80]!r} is no release id: 64 hex digits") from None
        with refusals(self.profile.coordinator):
            frames = self._analysts.Fetch(analyst_pb2.FetchRequest(round=round_), timeout=CALL_SECONDS)
            found = Release.of(join(frames, log_pb2.Bundle), self.profile.roster)
        if found.id != round_.hex():
            raise Refused(Refusal.EQUIVOCATION, "the coordinator sent another release than the one asked for")
        return found

    def _envelope(self, query: query_pb2.Query, purpose: str, fresh: bool) -> query_pb2.SignedEnvelope:
        body = query_pb2.Envelope(
            federation=self.charter.roster.federation, roster=self.profile.roster, query_id=os.urandom(16),
            analyst=self.profile.name, purpose=purpose, query=query, fresh=fresh,
            expires_ms=time.time_ns() // 1_000_000 + 1000 * QUESTION_SECONDS)
        return query_pb2.SignedEnvelope(body=body, signature=self._signer.sign(to_sign("envelope", body)))

    def _ask(self, envelope: query_pb2.SignedEnvelope, watch: Watcher) -> log_pb2.Bundle:
        """Stay with the round: the same signed question again is the same round, never a second one."""
        give_up, round_ = 0.0, b""

        def follow(progress: analyst_pb2.Progress) -> None:
            nonlocal round_
            round_ = progress.round or round_
            watch(progress)

        while True:
            try:
                return self._attempt(envelope, follow)
            except grpc.RpcError as error:
                refused = to_refused(error, self.profile.coordinator)
                give_up = give_up or time.monotonic() + RECONNECT_SECONDS
                if refused.refusal is not Refusal.UNREACHABLE or time.monotonic() > give_up:
                    raise _under_way(refused, round_) from None
                if error.code() is not grpc.StatusCode.UNAVAILABLE:
                    raise _under_way(refused, round_) from None
            time.sleep(0.5)

    def _attempt(self, envelope: query_pb2.SignedEnvelope, watch: Watcher) -> log_pb2.Bundle:
        joiner = Joiner(log_pb2.Bundle)
        call = self._analysts.Ask(analyst_pb2.AskRequest(envelope=envelope), timeout=ROUND_SECONDS)
        try:
            for answer in call:
                if answer.HasField("progress"):
                    watch(answer.progress)
                    continue
                bundle = joiner.feed(answer.bundle)
                if bundle is not None:
                    return bundle
        finally:
            with suppress(Exception):
                call.cancel()
        raise Refused(Refusal.MALFORMED, "the coordinator ended the round without a release")

    # The audit log

    def audit(self, path: str | Path | None = None, processes: int = 1) -> "Audited":
        """The whole log, fetched, checked and added up; kept as an evidence file at *path*, if one is given.

        A file that is there is gone on from. Several *processes* check a long log side by side; they are for
        programs whose main module can be imported.
        """
        from .audit.fetch import CoordinatorLog, fetch
        source = CoordinatorLog(self._audit, self.profile.coordinator)
        with TemporaryDirectory() as folder:
            target = Path(folder) / "log.audit" if path is None else Path(path)
            return fetch(source, self.charter, self.profile.roster, target, processes)

    def verify_log(self) -> tuple[int, str]:
        """Fetch the whole audit log and refuse anything wrong in it; return its size and root (hex)."""
        audited = self.audit()
        audited.check()
        return audited.head.size, audited.head.root.hex()


def _under_way(refused: Refused, round_: bytes) -> Refused:
    """The same refusal; of a coordinator that went away, with what becomes of the question."""
    if refused.refusal is not Refusal.UNREACHABLE:
        return refused
    found = f" (cotally release show {round_.hex()})" if round_ else ""
    return Refused(refused.refusal,
                   f"{refused.message}; the question was under way and its price may be spent. If it comes "
                   f"to a release{found}, asking again gets that for nothing")


def _ignore(_: analyst_pb2.Progress) -> None:
    """Watch nothing."""
