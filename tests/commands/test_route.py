"""`smsgate route`, and where `smsgate work` may not run."""

from __future__ import annotations

import json
from pathlib import Path

from tests.commands.conftest import Run

DOCUMENT = {"sms": {"outgoing_service": "africas-talking"}}


def test_a_route_is_listed_paused_and_resumed(run: Run, tmp_path: Path) -> None:
    assert run("route", "list").out == "messages are for phones: there is no route\n"
    (tmp_path / "settings.json").write_text(json.dumps(DOCUMENT))
    assert run("settings", "put", str(tmp_path / "settings.json")).code == 0
    assert run("route", "list").out == "africastalking  in use  open\n"
    assert run("route", "pause", "africastalking", "--reason", "no credit").code == 0
    shown = run("route", "list").out
    assert shown.startswith("africastalking  in use  paused since ")
    assert shown.endswith("no credit\n")
    assert run("route", "resume", "africastalking").out == "africastalking: open\n"
    assert run("route", "list").out == "africastalking  in use  open\n"


def test_a_route_that_is_not_there_is_named(run: Run) -> None:
    ended = run("route", "pause", "nobody")
    assert (ended.code, ended.err) == (1, "smsgate: there is no route 'nobody'; there are: none\n")


def test_work_is_for_postgresql(run: Run) -> None:
    ended = run("work")
    assert ended.code == 1
    assert "needs PostgreSQL" in ended.err
