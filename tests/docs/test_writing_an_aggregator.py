"""`docs/writing-an-aggregator.md`: its package is built, installed and used, offline."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest

from smsgate.aggregators.base import Aggregator
from smsgate.fakes.serving import serving
from tests.docs.reading import ROOT, blocks, page, rows, section
from tests.docs.terminal import Terminal, process
from tests.vendors import Plain

PAGE = page("writing-an-aggregator.md")
ASKED = "What smsgate asks of an aggregator"
CONTRACT = ROOT / "tests" / "aggregators" / "test_contract.py"
DISPATCH = ROOT / "tests" / "dispatch"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the page's package is installed, and nothing else."""
    project = tmp_path_factory.mktemp("smsgate-plain")
    for language, name in (("toml", "pyproject.toml"), ("python", "smsgate_plain.py")):
        (block,) = (b for b in blocks(PAGE) if b.language == language)
        (project / name).write_text(block.text, encoding="utf-8")
    target = tmp_path_factory.mktemp("installed")
    options = ["--offline", "--no-config", "--no-cache", "--no-build-isolation", "--no-deps"]
    done = subprocess.run(
        [
            *(sys.executable, "-m", "uv", "pip", "install", "--quiet", *options),
            *("--python", sys.executable, "--target", str(target), str(project)),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return target


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "least"),
    [(CONTRACT, 10), (DISPATCH / "test_matrix_of_all.py", 4), (DISPATCH / "test_killed.py", 1)],
    ids=["contract", "matrix", "killed"],
)
def test_it_does_what_is_asked_of_all(folder: Path, file: Path, least: int) -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"),
            *(str(file), "-k", "plain or is_here"),
        ],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:]
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed is not None
    assert int(passed[1]) >= least


@pytest.mark.slow
async def test_a_text_its_reply_and_the_report(folder: Path, tmp_path: Path) -> None:
    (setting_up,) = (b for b in blocks(section(PAGE, "Using it")) if b.language == "bash")
    async with serving(Plain(key="their-key")) as url:
        with process(
            ["serve", "--port", "0"], folder=tmp_path, until="/api/sms\n", PYTHONPATH=str(folder)
        ) as server:
            instead = {'"https://plain.example.org"': f'"{url}", "allow": ["127.0.0.0/8"]'}
            with Terminal(tmp_path, instead, PYTHONPATH=str(folder)) as terminal:
                said = await asyncio.to_thread(terminal.paste, setting_up.text)
                assert said == ("stored plain:incoming\nstored plain:outgoing\nsettings changed\n")
            async with httpx2.AsyncClient(
                base_url=server.url, auth=("admin", server.passwords["admin"]), trust_env=False
            ) as client:
                await _exchange(client)


async def _exchange(client: httpx2.AsyncClient) -> None:
    callbacks = "/api/v1/sms/plain"
    secret = {"X-Plain-Secret": "our-secret"}

    async def call(endpoint: str, **item: str) -> httpx2.Response:
        return await client.post(f"{callbacks}/{endpoint}", json=item, headers=secret)

    async def outbound() -> dict[str, tuple[str, str | None]]:
        found = (await client.get("/api/v1/messages?direction=outbound")).json()["data"]
        return {one["to"]: (one["state"], one["gateway_ref"]) for one in found}

    async def until(number: str, state: str) -> str | None:
        async with asyncio.timeout(20):
            while (now := (await outbound()).get(number, ("", None)))[0] != state:
                pass
            return now[1]

    answer = await call("incoming-messages", id="1", **{"from": "+254711000001", "text": "ANC Sam"})
    assert (answer.status_code, answer.text) == (200, "ACK")
    reference = await until("+254711000001", "received-by-gateway")
    assert reference == "881"
    for status, state in (("ACCEPTD", "sent"), ("NEW WORD", "sent"), ("DELIVRD", "delivered")):
        assert (await call("delivery-reports", id=reference, status=status)).text == "ACK"
        await until("+254711000001", state)
    await call("incoming-messages", id="2", **{"from": "+254711000000", "text": "ANC Sam"})
    await until("+254711000000", "failed")
    assert (await client.post(f"{callbacks}/delivery-reports", json={})).status_code == 403


def test_every_part_is_on_the_page() -> None:
    described = {
        cells[0].strip("`").partition("(")[0] for cells in rows(section(PAGE, ASKED)) if cells
    }
    parts = {name for name in vars(Aggregator) if not name.startswith("_")}
    assert parts | {"name"} <= described


def test_the_file_is_a_short_one() -> None:
    (block,) = (b for b in blocks(PAGE) if b.language == "python")
    assert len(block.text.splitlines()) <= 150
