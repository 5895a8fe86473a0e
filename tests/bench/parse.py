"""Reading texts: each grammar beside a hand-written `re` version, and the whole way to a record.

    python -m tests.bench.parse

Two measurements, both single-threaded, medians of interleaved rounds:

- *text to raw values* (form code, choice of grammar, values by field): smsgate's grammars against
  the expressions below, which do the same work for the same texts by hand and nothing else. The
  gates are 0.25 of `re` for each kind of text and 0.35 for them mixed (`spec/performance.md`).
- *text to record*, typed and checked, over the public muvuku-basic, textforms-basic and compact
  cases. The figure depends on the machine; the one for it is a machine on which a bare HTTP echo
  does 27,000 requests a second on one core, and there it is to be 28,000 messages a second.
"""

from __future__ import annotations

import re
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence

from smsgate.form import Form
from smsgate.grammar.base import Parsed
from smsgate.grammar.registry import installed
from smsgate.record import draft_from_text
from smsgate.text import LINE_BREAKS, ZERO_WIDTH, one_line
from smsgate.text import WHITE_SPACE as WS
from tests.parsers.cases import default_rules, load

ROUNDS = 15
GATE_EACH, GATE_MIXED, GATE_RECORDS = 0.25, 0.35, 28_000
FAMILIES = ("muvuku-basic", "textforms-basic", "compact")

TEXTS = {
    "muvuku": [
        "1!ANCV!12345#2#2020-01-02#1#hello",
        "1!ANCV!98765#3#2021-02-28#0#seen at home with her mother",
        "1!COUNTS!1#2#3",
        "1!STOCKLV!hc7#2#1#1#n#40",
        "1!NEPBS!h#2070#5#12#z#1",
    ],
    "javarosa": [
        "J1!ANCV!pid#12345#v#2#d#2020-01-02#dgr#1#n#hello",
        "J1!ANCV!v#2#pid#12345",
        "J1!COUNTS!aa#1#bb#2#cc#3",
        "J1!STOCKLV!fac#hc7#itm#2#lvl#1#col#1#sit#n#qty#40",
        "J1!NEPBS!hh#h#yr#2070#mn#5#dy#12",
    ],
    "textforms": [
        "ANCV pid 12345#v 2#d 2020-01-02#dgr 1#n hello",
        "ancv pid 98765 # v 3 # d 2021-02-28 # n seen at home",
        "COUNTS aa 1#bb 2#cc 3",
        "STOCKLV fac hc7#itm 2#lvl 1#col 1#sit n#qty 40",
        "NEPBS hh h#yr 2070#mn 5#dy 12",
    ],
    "compact": [
        "ANCV 12345 2 2020-01-02 1 hello",
        'VITALS "Asha Rai" 54 2021-03-04 1 11 0712345678',
        "COUNTS 1 2 3",
        "STOCKLV hc7 2 1 1 n 40",
        "NEPBS h 2070 5 12 z 2",
    ],
}

Values = dict[str, str]


class ByHand:
    """The same rules by `re` alone: one function, no plugins, no pyparsing."""

    _ZERO_WIDTH = dict.fromkeys(map(ord, ZERO_WIDTH))
    _MUVUKU = re.compile(
        rf"[{WS}{ZERO_WIDTH}]*+([A-Za-z]?[{ZERO_WIDTH}]*+[0-9])[{ZERO_WIDTH}]*+!([^!]++)!"
        rf"(?=[^{LINE_BREAKS}])(.++)",
        re.DOTALL,
    )
    _CODE = re.compile(rf"[{WS}{ZERO_WIDTH}]*+([^{WS}!\-,:#]++)[{WS}!\-,:#]*+")
    _CUT = re.compile(r"(?s)([^\\])#")
    _TOKEN = re.compile(rf'"[^"]++"|[^{WS}"]++')
    _RUN = re.compile(r"[A-Za-z_.*]++")

    def __init__(self, forms: Sequence[Form]) -> None:
        self.keys = {form.code: tuple(field.key for field in form.fields) for form in forms}
        self.ends_in_text = {
            form.code: bool(form.fields) and form.fields[-1].type == "string" for form in forms
        }
        self.tiny: dict[str, dict[str, str]] = {}
        self.labels: dict[str, dict[str, str]] = {}
        self.opening: dict[str, re.Pattern[str]] = {}
        for form in forms:
            local = default_rules().local(form)
            pairs = zip(local.tiny, local.keys, strict=True)
            tiny = self.tiny[form.code] = {label.lower(): key for label, key in pairs if label}
            labels = self.labels[form.code] = {
                **{key.lower(): key for key in local.keys},
                **tiny,
            }
            options = "|".join(map(re.escape, sorted(labels, key=len, reverse=True))) or "(?!)"
            self.opening[form.code] = re.compile(
                rf"(?i)[{WS}]*+({options})(?![^\W\d]|[.*])[{WS}\-!]*+"
            )
        self.extra = False
        self.repeated: set[str] = set()

    def read(self, text: str) -> tuple[str, Values]:
        header = self._MUVUKU.match(text)
        if header is not None:
            kind, code, body = header.groups()
            code = self._upper(code)
            kind = self._upper(kind)
            if kind == "1":
                values = [value.strip(WS) for value in body.strip(WS).split("#")]
                keys = self.keys[code]
                self.extra = len(values) > len(keys)
                return code, dict(zip(keys, values, strict=False))
            return code, self._javarosa(code, body) if kind == "J1" else {}
        start = self._CODE.match(text)
        if start is None:
            return "", {}
        code, rest = self._upper(start[1]), text[start.end() :]
        if "#" in rest or self._begins_with_a_label(code, rest):
            return code, self._textforms(code, rest)
        return code, self._compact(code, rest)

    def _upper(self, code: str) -> str:
        return (code if code.isascii() else code.translate(self._ZERO_WIDTH)).upper()

    def _begins_with_a_label(self, code: str, rest: str) -> bool:
        opening = self.opening[code].match(rest)
        return opening is not None and opening[1].lower() in self.tiny[code]

    def _javarosa(self, code: str, body: str) -> Values:
        labels = self.tiny[code]
        values: Values = {}
        if "##" in body or "\\" in body or "\v" in body or body[0] == "#":
            chunks = self._CUT.sub(r"\1\v", body).split("\v")
        else:
            chunks = body.split("#")
        for label, value in zip(chunks[::2], chunks[1::2], strict=False):
            key = labels.get(label.strip(WS).lower())
            if key is not None:
                values[key] = value.replace("\\#", "#")
        return values

    def _textforms(self, code: str, rest: str) -> Values:
        labels, opening = self.labels[code], self.opening[code]
        values: Values = {}
        self.repeated = set()
        for part in rest.split("#"):
            match = opening.match(part) or self._RUN.search(part)
            if match is None:
                continue
            key = labels.get(match[match.lastindex or 0].lower())
            if key is None:
                continue
            value = part[match.end() :].strip(WS)
            if key in values:
                self.repeated.add(key)
            if value:
                values[key] = value if value.isprintable() else one_line(value)
        return values

    def _compact(self, code: str, rest: str) -> Values:
        tokens, keys = self._TOKEN.findall(rest), self.keys[code]
        if len(tokens) > len(keys) and self.ends_in_text[code]:
            tokens[len(keys) - 1 :] = [" ".join(tokens[len(keys) - 1 :])]
        bare = [token[1:-1] if token[0] == '"' else token for token in tokens]
        return dict(zip(keys, bare, strict=False))


def smsgate_reader() -> Callable[[str], tuple[str, Mapping[str, str]]]:
    """The hot path of `record` up to the raw values."""
    rules, grammars = default_rules(), installed()
    nothing: Values = {}

    def read(text: str) -> tuple[str, Mapping[str, str]]:
        code = grammars.code(text) or ""
        form = rules.local(rules.forms[code])
        grammar = grammars.choose(text, form)
        parsed = None if grammar is None else grammar.parse(text, form)
        return code, parsed.values if isinstance(parsed, Parsed) else nothing

    return read


def seconds_per_text(read: Callable[[str], object], texts: Sequence[str], times: int) -> float:
    """How long one reading takes, the mean over `times` passes."""
    start = time.perf_counter()
    for _ in range(times):
        for text in texts:
            read(text)
    return (time.perf_counter() - start) / (times * len(texts))


def compare(texts: Sequence[str]) -> tuple[float, float, float]:
    """Return texts per second by smsgate and by hand, and the median of their ratios."""
    ours, by_hand = smsgate_reader(), ByHand(tuple(default_rules().forms.values())).read
    for text in texts:
        assert ours(text) == by_hand(text), (text, ours(text), by_hand(text))
    pairs = [
        (seconds_per_text(ours, texts, 400), seconds_per_text(by_hand, texts, 400))
        for _ in range(ROUNDS)
    ]
    return (
        1 / statistics.median(pair[0] for pair in pairs),
        1 / statistics.median(pair[1] for pair in pairs),
        statistics.median(pair[1] / pair[0] for pair in pairs),
    )


def records_per_second() -> tuple[float, int]:
    """Return how many public cases a second become records, and how many cases there are."""
    rules, grammars = default_rules(), installed()
    texts = [
        case["message"]
        for case in load("parse.public")
        if case["family"] in FAMILIES and isinstance(case.get("message"), str)
    ]

    def read(text: str) -> object:
        return draft_from_text(
            text, sender="+254712345678", rules=rules, grammars=grammars, received_ms=1
        )

    seconds_per_text(read, texts, 5)
    return 1 / statistics.median(seconds_per_text(read, texts, 20) for _ in range(ROUNDS)), len(
        texts
    )


def main() -> int:
    """Print the table; 1 where a gate of the ratios is missed."""
    print("text -> form code, grammar, raw values; one thread")
    print(f"{'texts':<12}{'smsgate/s':>12}{'re/s':>12}{'ratio':>8}   gate")
    missed = False
    mixed = [text for texts in zip(*TEXTS.values(), strict=True) for text in texts]
    for name, texts in (*TEXTS.items(), ("mixed", mixed)):
        ours, by_hand, ratio = compare(texts)
        gate = GATE_MIXED if name == "mixed" else GATE_EACH
        missed = missed or ratio < gate
        word = "met" if ratio >= gate else "MISSED"
        print(f"{name:<12}{ours:>12,.0f}{by_hand:>12,.0f}{ratio:>8.2f}   >= {gate:.2f} {word}")
    rate, count = records_per_second()
    print(f"\ntext -> typed and checked record, {count} public cases: {rate:,.0f} messages/s")
    print(f"(to be {GATE_RECORDS:,} where a bare echo does 27,000 requests/s on one core)")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
