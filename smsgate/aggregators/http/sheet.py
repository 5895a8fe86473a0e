"""Reading one object of a description: each value taken by its key, each fault noted by its path.

Reading never stops at a fault: what is wrong is noted, something harmless is handed back, and all
faults of a description come out at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, TypeVar

from smsgate.aggregators.http import finding
from smsgate.aggregators.http.template import BadTemplate, Template, parse

_EMPTY: Final = Template((("", None),))
Choice = TypeVar("Choice", bound=str)


class Sheet:
    """An object of the settings document at `path`, and the list its faults go to."""

    __slots__ = ("_asked", "_faults", "_path", "_value")

    def __init__(self, value: Any, path: str, faults: list[str]) -> None:
        """Take `value`; what is no object counts as an empty one, with a fault."""
        self._path = path
        self._faults = faults
        self._asked: set[str] = set()
        if not isinstance(value, Mapping):
            self.fault("", "must be an object")
        self._value: Mapping[str, Any] = value if isinstance(value, Mapping) else {}

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys that are given."""
        return tuple(self._value)

    def fault(self, key: str, why: str) -> None:
        """Note that what is at `key` (a path from here; "" is the object itself) is wrong."""
        self._faults.append(f"{self._path}.{key}: {why}" if key else f"{self._path}: {why}")

    def take(self, key: str) -> Any:
        """The value at `key` as it is, None where there is none."""
        self._asked.add(key)
        return self._value.get(key)

    def close(self) -> None:
        """Note each key that nobody asked for."""
        for key in self._value:
            if key not in self._asked:
                known = ", ".join(sorted(self._asked)) or "none"
                self.fault(key, f"is not known here: known are {known}")

    def object(self, key: str) -> Sheet:
        """The object at `key`; an empty one where there is none."""
        value = self.take(key)
        return Sheet({} if value is None else value, f"{self._path}.{key}", self._faults)

    def text(self, key: str, *, required: bool = False) -> str | None:
        """A text that is not empty."""
        value = self.take(key)
        if value is None and not required:
            return None
        if not isinstance(value, str) or not value:
            self.fault(key, "must be a text" if value is not None else "is missing")
            return None
        return value

    def word(self, key: str) -> str | None:
        """A text or a number, as text."""
        value = finding.word(self.take(key))
        if value is None:
            self.fault(key, "must be a text or a number")
        return value

    def choice(self, key: str, allowed: Sequence[Choice], otherwise: Choice) -> Choice:
        """One of `allowed`."""
        value = self.take(key)
        if value is None:
            return otherwise
        for each in allowed:
            if value == each:
                return each
        self.fault(key, f"must be one of {', '.join(allowed)}")
        return otherwise

    def words(self, key: str) -> tuple[str, ...]:
        """A list of texts or numbers, as texts."""
        value = self.take(key)
        if value is None:
            return ()
        found = [finding.word(item) for item in value] if isinstance(value, list) else [None]
        if None in found:
            self.fault(key, "must be a list of texts or numbers")
        return tuple(item for item in found if item is not None)

    def template(self, key: str, allowed: Iterable[str]) -> Template:
        """A text with placeholders."""
        value = self.take(key)
        if not isinstance(value, str):
            if value is not None:
                self.fault(key, "must be a text")
            return _EMPTY
        return self._parsed(key, value, allowed)

    def templates(self, key: str, allowed: Iterable[str]) -> dict[str, Template]:
        """An object of texts with placeholders; numbers count as texts."""
        value = self.take(key)
        if value is None:
            return {}
        if not isinstance(value, Mapping):
            self.fault(key, "must be an object of texts")
            return {}
        found = {}
        for name, item in value.items():
            text = str(item) if isinstance(item, int) and not isinstance(item, bool) else item
            if not isinstance(text, str):
                self.fault(f"{key}.{name}", "must be a text")
                continue
            found[name] = self._parsed(f"{key}.{name}", text, allowed)
        return found

    def path(self, key: str, *, required: bool = False) -> finding.Path | None:
        """A path into JSON, such as `messages[0].id`."""
        text = self.text(key, required=required)
        if text is None:
            return None
        found = finding.parse_path(text)
        if found is None:
            self.fault(key, "must be a path such as messages[0].id")
        return found

    def _parsed(self, key: str, text: str, allowed: Iterable[str]) -> Template:
        found = parse(text, allowed)
        if isinstance(found, BadTemplate):
            self.fault(key, found.reason)
            return _EMPTY
        return found
