"""A service that the settings document describes, as an aggregator like any other."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from smsgate.aggregators import reading
from smsgate.aggregators.base import (
    INCOMING,
    REPORTS,
    Acknowledgement,
    Aggregator,
    Answer,
    Ask,
    BadCall,
    Call,
    Denied,
    Family,
    Heard,
    Options,
    Outcome,
    Push,
    Secret,
    Taken,
    Unclear,
    Unready,
)
from smsgate.aggregators.http.answering import Answers, read_answers
from smsgate.aggregators.http.asking import Request, callback_for, read_request, read_values
from smsgate.aggregators.http.listening import Listener, read_listener
from smsgate.aggregators.http.sheet import Sheet
from smsgate.message import State

_NAME: Final = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*\Z")
_LONGEST_NAME: Final = 40
_TAKEN: Final = frozenset({"cht-gateway", "medic-gateway", "phones", "http"})


class DescribedService(Aggregator):
    """One service under `smsgate.http`; named by its key there.

    A part whose description has a fault does not work, and says so; the other parts do.
    """

    def __init__(self, name: str, description: Any) -> None:
        """Read `description`; `faults` says all that is wrong with it."""
        self.name = name
        self.credential_prefixes = (name,)
        self.faults: list[str] = []
        sheet = Sheet(description, f"smsgate.http.{name}", self.faults)
        values = read_values(sheet.object("values"))
        unusable = bool(self.faults)
        self._request, self._answers, self._unready = self._sending(sheet, values, unusable)
        self._listeners: dict[str, Listener | None] = {}
        if "incoming" in sheet.keys:
            self._listen(sheet, "incoming", INCOMING, ("id", "from", "text"), ("sent_at",))
        if "reports" in sheet.keys:
            self._listen(
                sheet, "reports", REPORTS, ("status",), ("reference", "message_id", "reason")
            )
        for part in ("send", "incoming", "reports"):
            sheet.take(part)
        if not {"send", "incoming", "reports"} & set(sheet.keys):
            sheet.fault("", "must have send, incoming or both")
        sheet.close()
        self.sends = "send" in sheet.keys
        self.endpoints = tuple(self._listeners)
        self.signs_body = any(
            listener is not None and listener.secret.where == "field"
            for listener in self._listeners.values()
        )

    def _sending(
        self, sheet: Sheet, values: Mapping[str, str], unusable: bool
    ) -> tuple[Request | None, Answers, Unready | None]:
        before = len(self.faults)
        if "send" not in sheet.keys:
            return None, Answers(), Unready(f"smsgate.http.{self.name} describes no send")
        part = sheet.object("send")
        request = read_request(part, values)
        answers = read_answers(part.object("answer"))
        part.close()
        if len(self.faults) > before or unusable:
            return None, answers, Unready(self.faults[0 if unusable else before])
        return request, answers, None

    def _listen(
        self,
        sheet: Sheet,
        key: str,
        endpoint: str,
        required: Sequence[str],
        optional: Sequence[str],
    ) -> None:
        before = len(self.faults)
        part = sheet.object(key)
        listener = read_listener(part, required, optional)
        part.close()
        if endpoint == REPORTS and not {"reference", "message_id"} & set(listener.fields):
            part.fault("fields", "must have reference (their id), message_id (ours) or both")
        self._listeners[endpoint] = None if len(self.faults) > before else listener

    def verify(self, call: Call, secrets: Sequence[Secret], options: Options) -> Denied | None:
        """See `Aggregator.verify`; 503 while the description has a fault: they may ask again."""
        listener = self._listeners.get(call.endpoint)
        if listener is None:
            return Denied("The description of this service has a fault", 503)
        return listener.secret.verify(call, secrets)

    def read(self, call: Call, options: Options) -> Heard | BadCall:
        """See `Aggregator.read`."""
        listener = self._listeners.get(call.endpoint)
        if listener is None:
            return BadCall("The description of this service has a fault", 503)
        if call.endpoint == REPORTS:
            return listener.reports(call)
        return listener.messages(self.name, call)

    def meaning(self, status: str) -> State | None:
        """See `Aggregator.meaning`."""
        listener = self._listeners.get(REPORTS)
        return None if listener is None else listener.states.get(status)

    def acknowledge(self, call: Call, taken: Taken, options: Options) -> Acknowledgement | BadCall:
        """See `Aggregator.acknowledge`."""
        listener = self._listeners.get(call.endpoint)
        if listener is None:
            return super().acknowledge(call, taken, options)
        return listener.acknowledge(taken)

    def compose(self, push: Push, secret: Secret | None, options: Options) -> Ask | Unready:
        """See `Aggregator.compose`."""
        if self._request is None:
            return self._unready or Unready(f"smsgate.http.{self.name} describes no send")
        listener = self._listeners.get(REPORTS)
        parameter = None
        if listener is not None and listener.secret.where == "query":
            parameter = listener.secret.name
        callback = callback_for(self.name, REPORTS, parameter, options)
        instead = None
        if "url" in options.route:
            instead = reading.address(options.route["url"])
            if instead is None:
                return Unready("the route's url is no address such as https://host")
        return self._request.ask(self.name, push, secret, callback, instead)

    def interpret(self, answer: Answer) -> Outcome:
        """See `Aggregator.interpret`."""
        if self._request is None:  # the description got a fault while the request was under way
            return Unclear(f"HTTP {answer.status} without a description")
        return self._answers.interpret(answer)


class HttpFamily(Family):
    """Every service that `smsgate.http` describes."""

    name: str = "http"

    def members(self, own: Mapping[str, Any]) -> Sequence[Aggregator]:
        """See `Family.members`. What has no usable name is left out."""
        return self._described(own)[0]

    def faults(self, own: Mapping[str, Any]) -> Sequence[str]:
        """See `Family.faults`."""
        services, faults = self._described(own)
        return [*faults, *(fault for service in services for fault in service.faults)]

    def _described(self, own: Mapping[str, Any]) -> tuple[list[DescribedService], list[str]]:
        described = own.get(self.name)
        if described is None:
            return [], []
        if not isinstance(described, Mapping):
            return [], ["smsgate.http: must be an object of services by name"]
        services, faults = [], []
        for name, description in described.items():
            if not _NAME.match(name) or len(name) > _LONGEST_NAME:
                faults.append(
                    f"smsgate.http.{name}: the name must be lower-case letters, digits and single "
                    f"hyphens, at most {_LONGEST_NAME}, as it becomes part of an address"
                )
            elif name in _TAKEN:
                faults.append(f"smsgate.http.{name}: this name is taken")
            elif description is not None:  # null switches one off
                services.append(DescribedService(name, description))
        return services, faults
