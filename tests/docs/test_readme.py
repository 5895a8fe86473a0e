"""The front page: its one-minute walk, run as a reader would run it, and its tables."""

from __future__ import annotations

import json
import os
import re
import select
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.docs.reading import ROOT, Block, blocks, pages, readme, rows, section

WALK = "A first message in one minute"
_VARIABLE = re.compile(r"SMSGATE_[A-Z_]*[A-Z]")
_TEST = re.compile(r"`(tests/[\w/]+\.py)(?:::(\w+))?`")
_PASSWORD = re.compile(r"^ +(admin|gateway) +password (\S+)$", re.MULTILINE)
# What differs each time: ids, revisions and times.
_DIFFERS = (
    (re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"), "<id>"),
    (re.compile(r"\d+-[0-9a-f]{32}"), "<rev>"),
    (re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z"), "<time>"),
    (re.compile(r"\b1[78]\d{11}\b"), "0"),
)


def _masked(text: str) -> Any:
    for pattern, mask in _DIFFERS:
        text = pattern.sub(mask, text)
    return json.loads(text)


class Served:
    """`smsgate serve` in a process of its own, on a port the kernel chose."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        said = self._until("/api/sms\n")
        self.passwords = dict(_PASSWORD.findall(said))
        found = re.search(r"serves on (http://\S+)", said)
        assert found is not None, said
        self.url = found[1]
        assert httpx2.get(f"{self.url}/healthz", trust_env=False).json() == {"ok": True}

    def _until(self, end: str) -> str:
        said = ""
        out = self.process.stdout
        assert out is not None
        while not said.endswith(end):
            ready, _, _ = select.select([out], [], [], 60)
            more = os.read(out.fileno(), 65536).decode() if ready else ""
            assert more, f"the server said only: {said}"
            said += more
        return said


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("SMSGATE_")}
    environment |= {"SMSGATE_DATA_DIR": str(tmp_path / "data"), "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-m", "smsgate", "serve", "--port", "0"]
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE) as process:
        try:
            yield Served(process)
        finally:
            process.terminate()
            assert process.wait(60) == 0


class Reader:
    """Someone who pastes the page's blocks into one terminal."""

    def __init__(self, served: Served, folder: Path) -> None:
        self._served = served
        self._folder = folder
        self._before = ""

    def paste(self, text: str) -> str:
        """Run a block after those before it; what it printed."""
        text = text.replace("http://127.0.0.1:5988", self._served.url)
        for name, password in self._served.passwords.items():
            text = text.replace(
                f"{name.upper()}_PASSWORD='as printed'", f"{name.upper()}_PASSWORD='{password}'"
            )
        script = f"set -euo pipefail\n{self._before}\nprintf '\\036'\n{text}"
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=self._folder,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        self._before += "\n".join(re.findall(r"^[A-Z_]+=.*$", text, re.MULTILINE)) + "\n"
        return done.stdout.partition("\036")[2]


def _steps() -> list[tuple[Block, Block | None]]:
    """Each block to be pasted, with the answer printed below it, if any."""
    found = blocks(section(readme(), WALK))
    steps: list[tuple[Block, Block | None]] = []
    for block in found:
        if block.language == "bash":
            steps.append((block, None))
        elif block.language == "json":
            steps[-1] = (steps[-1][0], block)
    return steps


def test_the_one_minute_walk(served: Served, tmp_path: Path) -> None:
    reader = Reader(served, tmp_path)
    steps = _steps()
    assert len(steps) == 5
    for command, answer in steps:
        printed = reader.paste(command.text)
        if answer is None:
            assert printed == ""
        else:
            assert _masked(printed) == _masked(answer.text)

    # "Had the phone sent the text twice": the same answer, and one message seen twice.
    hand_over, look = steps[2], steps[3]
    assert hand_over[1] is not None
    assert _masked(reader.paste(hand_over[0].text)) == _masked(hand_over[1].text)
    (message,) = json.loads(reader.paste(look[0].text))["data"]
    assert message["times_seen"] == 2


def test_the_simulator_as_the_page_has_it(served: Served, tmp_path: Path) -> None:
    (block,) = (b for b in blocks(section(readme(), "Without a phone")) if b.language == "sh")
    reader = Reader(served, tmp_path)
    command = block.text.replace(".venv/bin/smsgate", f"'{sys.executable}' -m smsgate")
    for earlier, _ in _steps()[:3]:
        reader.paste(earlier.text)
    # What the page shows of it, but for what chance decides: which responses are lost, and so which
    # messages are offered again because their first report was not yet among the twenty of a poll.
    said = reader.paste(f"cd '{ROOT}'\n{command}").splitlines()
    (shown,) = (b for b in blocks(section(readme(), "Without a phone")) if b.language == "text")
    by_chance = ("messages received:", "polls:", "responses not read:", "batches sent again:")
    assert [line for line in said if not line.startswith(by_chance)] == [
        line for line in shown.text.splitlines() if not line.startswith(by_chance)
    ]


def test_every_variable_is_in_the_table() -> None:
    read = set()
    for file in (ROOT / "smsgate").rglob("*.py"):
        read |= set(_VARIABLE.findall(file.read_text(encoding="utf-8")))
    read.discard("SMSGATE_PASSWORD")  # of `simulate` and `doctor`, which name it in their options
    described = {cells[0].strip("`") for cells in rows(section(readme(), "Environment"))}
    assert read == described


@pytest.mark.parametrize("file", pages(), ids=lambda path: str(path.relative_to(ROOT)))
def test_every_test_that_is_named_is_there(file: Path) -> None:
    for path, name in _TEST.findall(file.read_text(encoding="utf-8")):
        text = (ROOT / path).read_text(encoding="utf-8")
        assert not name or f"def {name}(" in text, f"{path}::{name}"
