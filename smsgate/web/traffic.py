"""Requests, counted as they are answered, under their route's pattern and never their path."""

from __future__ import annotations

from typing import Final

from smsgate.tally import Distribution

OWN_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
# As the CHT's: 23 from 4 ms to an hour; what CHT Watchdog draws needs those of whole fractions.
CHT_SECONDS: Final = (
    *(0.004, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 10.0, 15.0),
    *(20.0, 30.0, 45.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0),
)
SIZES: Final = (5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1000.0, 2500.0, 5000.0, 10000.0)
UNROUTED: Final = "(none)"

_SECONDS: Final = tuple(sorted({*OWN_SECONDS, *CHT_SECONDS}))
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"})

Key = tuple[str, str, int]  # method, route, status


class Answers:
    """The answers of one route, method and status."""

    __slots__ = ("asked", "said", "seconds")

    def __init__(self) -> None:
        self.seconds = Distribution(_SECONDS)
        self.asked = Distribution(SIZES)
        self.said = Distribution(SIZES)


class Traffic:
    """Every answer this process gave."""

    __slots__ = ("answers", "inflight")

    def __init__(self) -> None:
        self.answers: dict[Key, Answers] = {}
        self.inflight = 0

    def note(
        self, method: str, route: str, status: int, *, seconds: float, asked: int, said: int
    ) -> None:
        """Count an answer.

        Args:
            method: of the request; one that HTTP does not have counts as `OTHER`.
            route: the pattern that it was routed by.
            status: of the answer, 0 where the connection ended before there was one.
            seconds: from the request's first byte to the answer's last.
            asked: bytes that the request's body was announced with.
            said: bytes that the answer's body was announced with.
        """
        key = (method, route, status)
        answers = self.answers.get(key)
        if answers is None:
            key = (method if method in _METHODS else "OTHER", route, status)
            answers = self.answers.setdefault(key, Answers())
        answers.seconds.observe(seconds)
        answers.asked.observe(asked)
        answers.said.observe(said)
