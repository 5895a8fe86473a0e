"""The aggregators in use, found through entry points."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping
from importlib.metadata import entry_points
from typing import Any

from smsgate.aggregators.base import Aggregator, Family

GROUP = "smsgate.aggregators"
_NAME = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*\Z")


class AggregatorRegistry:
    """Some aggregators, by name and by alias, and the families whose members come with settings."""

    __slots__ = ("_last", "_named", "aggregators", "families")

    def __init__(self, aggregators: Iterable[Aggregator], families: Iterable[Family] = ()) -> None:
        """Take an explicit list; `installed` gives the plugins.

        Raises:
            ValueError: a name is no URL segment, or stands for two aggregators.
        """
        self.aggregators = tuple(sorted(aggregators, key=lambda each: each.name))
        self.families = tuple(families)
        self._last: tuple[Mapping[str, Any], AggregatorRegistry] | None = None
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

    def described(self, own: Mapping[str, Any]) -> AggregatorRegistry:
        """These aggregators and those that the settings describe.

        A description whose name is taken is left out, as `faults` says.

        Args:
            own: the document's `smsgate` object. What it describes is read once: the same object
                again gives the same registry.
        """
        if not self.families:
            return self
        if self._last is None or self._last[0] is not own:
            members = {each.name: each for family in self.families for each in family.members(own)}
            free = [each for name, each in members.items() if name not in self._named]
            self._last = (own, AggregatorRegistry([*self.aggregators, *free]) if free else self)
        return self._last[1]

    def faults(self, own: Mapping[str, Any]) -> list[str]:
        """A line for each thing that is wrong with what the settings describe."""
        found = [fault for family in self.families for fault in family.faults(own)]
        for family in self.families:
            found += [
                f"smsgate.{family.name}.{each.name}: this name is taken by an installed aggregator"
                for each in family.members(own)
                if each.name in self._named
            ]
        return found


@functools.cache
def installed() -> AggregatorRegistry:
    """Return the aggregators of all installed packages, loaded once.

    Raises:
        TypeError: An entry point leads to something that is no aggregator; start-up stops on it.
        ValueError: Two of them have one name.
    """
    found: list[Aggregator] = []
    families: list[Family] = []
    for entry in entry_points(group=GROUP):
        plugin = entry.load()
        if isinstance(plugin, Family):
            families.append(plugin)
        elif isinstance(plugin, Aggregator):
            found.append(plugin)
        else:
            raise TypeError(f"entry point {entry.name!r} ({entry.value}) is not an aggregator")
    return AggregatorRegistry(found, families)
