"""The aggregators in use, found through entry points."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from importlib.metadata import entry_points

from smsgate.aggregators.base import Aggregator

GROUP = "smsgate.aggregators"
_NAME = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*\Z")


class AggregatorRegistry:
    """Some aggregators, by name and by alias."""

    __slots__ = ("_named", "aggregators")

    def __init__(self, aggregators: Iterable[Aggregator]) -> None:
        """Take an explicit list; `installed` gives the plugins.

        Raises:
            ValueError: a name is no URL segment, or stands for two aggregators.
        """
        self.aggregators = tuple(sorted(aggregators, key=lambda each: each.name))
        self._named: dict[str, Aggregator] = {}
        for each in self.aggregators:
            for name in (each.name, *each.aliases):
                if not _NAME.match(name):
                    raise ValueError(f"{name!r} cannot name an aggregator")
                if name in self._named:
                    raise ValueError(f"two aggregators are called {name!r}")
                self._named[name] = each

    def named(self, name: str) -> Aggregator | None:
        """The aggregator of this name or alias, None where it is not installed."""
        return self._named.get(name)

    @property
    def names(self) -> tuple[str, ...]:
        """The names, without aliases."""
        return tuple(each.name for each in self.aggregators)


@functools.cache
def installed() -> AggregatorRegistry:
    """Return the aggregators of all installed packages, loaded once.

    Raises:
        TypeError: An entry point leads to something that is no aggregator; start-up stops on it.
        ValueError: Two of them have one name.
    """
    found = []
    for entry in entry_points(group=GROUP):
        aggregator = entry.load()
        if not isinstance(aggregator, Aggregator):
            raise TypeError(f"entry point {entry.name!r} ({entry.value}) is not an aggregator")
        found.append(aggregator)
    return AggregatorRegistry(found)
