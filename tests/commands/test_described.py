"""A described service, set up as `docs/generic-http.md` says, as the commands see it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.commands.conftest import Ended, Run

EXAMPLES = Path(__file__).parents[2] / "docs" / "generic"


@pytest.mark.parametrize("example", ["kannel", "jasmin", "json-vendor"])
def test_it_is_set_up_by_three_commands(run: Run, store_secret: Run, example: str) -> None:
    file = EXAMPLES / f"{example}.json"
    document = json.loads(file.read_text(encoding="utf-8"))
    name = document["sms"]["outgoing_service"]
    document_put = run("settings", "put", str(file))
    assert (document_put.code, "WARN" in document_put.err) == (0, False)
    listed = run("credential", "list").out
    assert re.search(rf"^{name}:outgoing +not stored$", listed, re.MULTILINE)
    assert run("doctor").code == 1
    for use in ("outgoing", "incoming"):
        assert store_secret(f"{name}:{use}") == Ended(0, f"stored {name}:{use}\n", "")
    ended = run("doctor")
    assert ended.code == 0, ended.out
    assert f"ok    messages can be sent through {name}" in ended.out


def test_its_address_for_reports_carries_the_incoming_credential(
    run: Run, store_secret: Run, tmp_path: Path
) -> None:
    document = json.loads((EXAMPLES / "kannel.json").read_text(encoding="utf-8"))
    document["smsgate"]["public_url"] = "https://sms.example.org"
    file = tmp_path / "settings.json"
    file.write_text(json.dumps(document))
    run("settings", "put", str(file))
    store_secret("kannel:outgoing")
    assert "store the credential kannel:incoming" in run("doctor").out
    store_secret("kannel:incoming")
    assert "ok    messages can be sent through kannel" in run("doctor").out


def test_what_is_wrong_with_a_description_is_told(run: Run, tmp_path: Path) -> None:
    document = json.loads((EXAMPLES / "kannel.json").read_text(encoding="utf-8"))
    document["smsgate"]["http"]["kannel"]["send"]["url"] = "10.0.0.5:13013"
    file = tmp_path / "settings.json"
    file.write_text(json.dumps(document))
    told = run("settings", "put", str(file))
    assert "smsgate.http.kannel.send.url: must be an address such as" in told.out + told.err
    ended = run("doctor")
    assert ended.code == 1
    assert "smsgate.http.kannel.send.url: must be an address such as" in ended.out
