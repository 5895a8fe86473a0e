"""What fakes share that report by themselves on what they took."""

from __future__ import annotations

import random
from abc import abstractmethod
from collections.abc import Sequence

from smsgate.fakes.callbacks import Post
from smsgate.fakes.service import Service


class Reporting(Service):
    """A service that was told with each message where to report on it, or reports nothing.

    Attributes:
        key: The key it wants of its caller.
        walk: The words reported of each message, in this order, where `callbacks` is set.
        fail_word: The last word on a message that fails.
        fail_rate: Share of messages that do.
        references: The ids of what was taken, oldest first.
    """

    fail_word: str = ""

    def __init__(
        self,
        *,
        key: str = "fake-key",
        walk: Sequence[str] = (),
        fail_rate: float = 0.0,
        rng: random.Random | None = None,
        latency: float = 0.0,
        keep: int | None = None,
    ) -> None:
        super().__init__(latency=latency, keep=keep)
        self.key = key
        self.walk = tuple(walk)
        self.fail_rate = fail_rate
        self.references: list[str] = []
        self._urls: dict[str, str] = {}
        self._rng = rng or random.Random()  # noqa: S311 - which message fails is no secret

    @abstractmethod
    def report(self, reference: str, word: str) -> Post:
        """The report that says `word` of a message."""

    def on_its_way(self, reference: str, url: str) -> None:
        """Note a message that was taken, and where to report on it; "" for nowhere."""
        self.references.append(reference)
        if not url:
            return
        self._urls[reference] = url
        if self.callbacks is None:
            return
        walk = self.walk
        if walk and self._rng.random() < self.fail_rate:
            walk = (*walk[:-1], self.fail_word)
        for word in walk:
            self.callbacks.later(self.report(reference, word))
