"""Ten phones, an account each, that are killed at any moment and lose answers on their way back.

The phones are the simulator's own (`smsgate.simulate`), each with its journal on disk: what a kill
leaves is what the journal holds. The server is a process, and may be killed too.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import sqlalchemy as sa

from smsgate import clock
from smsgate.accounts import AddUser
from smsgate.passwords import hash_password
from smsgate.simulate.drive import Driver, Pace
from smsgate.simulate.handset import Phone
from smsgate.simulate.line import Line, read_address
from smsgate.simulate.report import Expect
from smsgate.simulate.rows import Row
from smsgate.simulate.state import Journal
from smsgate.simulate.traffic import Traffic
from smsgate.store.database import Store
from smsgate.store.tables import outbound, outbound_history
from tests.bench.serving import free_port
from tests.make import basic

PASSWORD = "fleet-Tulip-42"
LOT = 25  # messages put in by one request
DONE = {"DELIVERED": "delivered", "FAILED": "failed"}


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a run is made of; `server_kills` are spread over the putting in of messages."""

    messages: int
    phones: int = 10
    seconds: float
    interval: float = 0.1
    drop_rate: float = 0.1
    fail_rate: float = 0.05
    life: tuple[float, float]
    server_kills: int = 0
    give_up: float
    oldest: timedelta
    seed: int = 4


@dataclass
class Account:
    """What came of a run, and what is wrong with it."""

    messages: int
    phone_kills: int = 0
    server_kills: int = 0
    polls: int = 0
    unheard: int = 0
    seconds: float = 0
    offers: int = 0
    states: Counter[str] = field(default_factory=Counter)
    oldest_unacknowledged: timedelta = timedelta()
    oldest_unfinished: timedelta = timedelta()
    faults: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        """For people."""
        states = ", ".join(f"{count:,} {state}" for state, count in sorted(self.states.items()))
        return [
            f"{self.messages:,} messages in {self.seconds:.0f} s: {states}",
            (
                f"phones killed {self.phone_kills} times, the server {self.server_kills} times;"
                f" {self.polls:,} polls, {self.unheard:,} answers not heard,"
                f" {self.offers - self.messages:,} messages offered again"
            ),
            (
                f"longest until a phone had said it has it: {_s(self.oldest_unacknowledged)};"
                f" until it was sent: {_s(self.oldest_unfinished)}"
            ),
            *self.faults,
        ]


def _s(time: timedelta) -> str:
    return f"{time.total_seconds():.1f} s"


class Server:
    """`smsgate serve` as a process on one port for all its lives."""

    def __init__(self, data_dir: Path, database_url: str) -> None:
        self._port = free_port()
        self.url = f"http://127.0.0.1:{self._port}"
        clean = {k: v for k, v in os.environ.items() if not k.startswith("SMSGATE_")}
        self._environ = {
            **clean,
            "SMSGATE_DATA_DIR": str(data_dir),
            "SMSGATE_DATABASE_URL": database_url,
            "SMSGATE_ADMIN_PASSWORD": PASSWORD,
            "SMSGATE_LOG_LEVEL": "ERROR",
        }
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Begin; it answers a little later."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "smsgate", "serve", "--port", str(self._port)],
            env=self._environ,
            stdout=subprocess.DEVNULL,
        )

    def check(self) -> None:
        """Raises RuntimeError where it ended by itself."""
        if self._process is not None and self._process.poll() is not None:
            raise RuntimeError(f"the server ended by itself with {self._process.returncode}")

    def end(self, how: signal.Signals) -> None:
        """Signal it and wait for its end."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(30)


class _Pocket(Journal):
    """A phone's journal, to which nothing is written once the phone was killed."""

    killed = False

    def write(self, rows: Iterable[Row]) -> None:
        if not self.killed:
            super().write(rows)


class Fleet:
    """Runs a plan against a server and judges what came of it."""

    def __init__(self, plan: Plan, place: Path, database_url: str) -> None:
        self.plan = plan
        self.account = Account(plan.messages)
        self._url = database_url
        self._place = place
        self._rng = random.Random(plan.seed)
        self._names = [f"phone{number:02d}" for number in range(plan.phones)]
        self._phones: dict[str, Phone] = {}
        self._server = Server(place, database_url)
        self._put_in = 0

    async def run(self, show: Callable[[str], None] = lambda _: None) -> Account:
        """Put in, carry, kill; until every message was sent or failed, or it takes too long."""
        await self._accounts()
        begun = time.monotonic()
        self._server.start()
        lives = [asyncio.create_task(self._lives(name)) for name in self._names]
        feeding = asyncio.create_task(self._feed())
        try:
            async with asyncio.timeout(self.plan.give_up):
                while not (feeding.done() and self._all_carried()):
                    show(self._progress())
                    self._server.check()
                    await asyncio.sleep(0.2)
                await feeding
        except TimeoutError:
            self.account.faults.append(f"not done after {self.plan.give_up:g} s")
        finally:
            for task in (feeding, *lives):
                task.cancel()
            ends = await asyncio.gather(feeding, *lives, return_exceptions=True)
            self._server.end(signal.SIGTERM)
        self.account.faults += [repr(end) for end in ends if isinstance(end, Exception)]
        self.account.seconds = time.monotonic() - begun
        await self._judge()
        return self.account

    async def _accounts(self) -> None:
        hashed = hash_password(PASSWORD)
        async with Store(self._url) as store:
            for name in self._names:
                await store.write(AddUser(name, hashed, ("gateway",), "test", clock.now()))

    # -- the phones

    async def _lives(self, name: str) -> None:
        while True:
            await self._life(name)
            self.account.phone_kills += 1

    async def _life(self, name: str) -> None:
        """From switching on until the battery falls out, in the middle of whatever it does."""
        plan, address = self.plan, read_address(self._server.url, name, PASSWORD)
        pocket = _Pocket(self._place / f"{name}.phone")
        with pocket:
            phone = Phone(pocket.rows, fail_rate=plan.fail_rate, rng=self._rng)
            self._phones[name] = phone
            async with Line(address, drop_rate=plan.drop_rate, rng=self._rng) as line:
                driver = Driver(
                    phone,
                    line,
                    Traffic(0),
                    pace=Pace(interval=plan.interval, quiet=sys.maxsize),
                    expect=Expect.NO,
                    journal=pocket,
                )
                try:
                    async with asyncio.timeout(self._rng.uniform(*plan.life)) as battery:
                        try:
                            await driver.run()
                        finally:
                            pocket.killed = battery.expired()
                except TimeoutError:
                    pass
                finally:
                    self.account.polls += driver.counts.polls
                    self.account.unheard += driver.counts.unheard

    def _all_carried(self) -> bool:
        carried = sum(len(phone.outgoing) for phone in self._phones.values())
        settled = all(phone.settled for phone in self._phones.values())
        return settled and carried >= self.plan.messages

    def _progress(self) -> str:
        carried = [one for phone in self._phones.values() for one in phone.outgoing.values()]
        final = sum(one.final for one in carried)
        killed = self.account.phone_kills, self.account.server_kills
        return (
            f"put in {self._put_in:,}, taken by phones {len(carried):,}, sent or failed {final:,}"
            f" of {self.plan.messages:,}; killed: phones {killed[0]}, server {killed[1]}"
        )

    # -- what is put in, and the server

    async def _feed(self) -> None:
        lots = [min(LOT, self.plan.messages - n) for n in range(0, self.plan.messages, LOT)]
        kills = self.plan.server_kills
        fatal = {round((n + 1) * len(lots) / (kills + 1)) for n in range(kills)}
        async with httpx2.AsyncClient(trust_env=False, timeout=30) as client:
            for number, size in enumerate(lots):
                if number in fatal:
                    self._server.end(signal.SIGKILL)
                    self.account.server_kills += 1
                    self._server.start()
                await self._put(client, number, size)
                self._put_in += size
                await asyncio.sleep(self.plan.seconds / len(lots))

    async def _put(self, client: httpx2.AsyncClient, number: int, size: int) -> None:
        """One request, repeated under its key until it is answered."""
        messages = [
            {"to": f"+2547{number:05d}{n:03d}", "content": f"Message {number}.{n}"}
            for n in range(size)
        ]
        headers = {"Authorization": basic("admin", PASSWORD), "Idempotency-Key": f"lot-{number}"}
        while True:
            try:
                answer = await client.post(
                    f"{self._server.url}/api/v1/messages", json=messages, headers=headers
                )
            except httpx2.RequestError:
                await asyncio.sleep(0.05)
                continue
            if answer.status_code != 503:
                break
        if answer.status_code != 201:
            raise RuntimeError(f"messages refused with {answer.status_code}")

    # -- the verdict

    async def _judge(self) -> None:
        async with Store(self._url) as store, store.read() as connection:
            rows = (await connection.execute(sa.select(outbound))).mappings().all()
            query = sa.select(outbound_history).order_by(outbound_history.c.seq)
            steps = (await connection.execute(query)).mappings().all()
        account = self.account
        account.states = Counter(row["state"] for row in rows)
        stories: defaultdict[str, list[Any]] = defaultdict(list)
        for step in steps:
            stories[step["message_id"]].append(step)
        wrong: Counter[str] = Counter()
        if len(rows) != account.messages:
            account.faults.append(f"{len(rows)} messages in the queue, not {account.messages}")
        holders = self._holders()
        for row in rows:
            for fault in _faults(row, stories[row["id"]], holders[row["id"]]):
                wrong[fault] += 1
            self._age(row, stories[row["id"]])
        account.faults += [f"{count} messages {fault}" for fault, count in wrong.items()]
        for what, age in (
            ("acknowledged", account.oldest_unacknowledged),
            ("finished", account.oldest_unfinished),
        ):
            if age > self.plan.oldest:
                account.faults.append(f"one was {what} only after {_s(age)}")

    def _holders(self) -> defaultdict[str, list[str]]:
        """For each message what every phone that has it says of it."""
        found: defaultdict[str, list[str]] = defaultdict(list)
        for phone in self._phones.values():
            for id_, one in phone.outgoing.items():
                found[id_].append(one.status.value)
                self.account.offers += one.offers
                if one.conflicts:
                    self.account.faults.append(f"{id_} came again with another text")
        return found

    def _age(self, row: Any, story: list[Any]) -> None:
        said = [step["at"] for step in story if step["status"] is not None and step["applied"]]
        if said:
            account = self.account
            for name, at in (("oldest_unacknowledged", said[0]), ("oldest_unfinished", said[-1])):
                setattr(account, name, max(getattr(account, name), at - row["created_at"]))


def _faults(row: Any, story: list[Any], held: list[str]) -> list[str]:
    reporters = {step["gateway"] for step in story if step["status"] is not None}
    faults = []
    if row["state"] not in DONE.values():
        faults.append(f"are stuck as {row['state']}")
    if len(reporters) != 1:
        faults.append(f"were reported by {len(reporters)} phones")
    if len(held) != 1:
        faults.append(f"are on {len(held)} phones")
    elif DONE.get(held[0]) != row["state"]:
        faults.append(f"are {row['state']} here and {held[0]} on the phone")
    return faults
