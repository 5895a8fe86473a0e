"""What `smsgate doctor` says of credentials."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.commands.conftest import Run

SECRET = "canary-secret-91c4"
AT = {"outgoing_service": "africas-talking", "africas_talking": {"username": "sandbox"}}
OUT, IN = "africastalking.com:outgoing", "africastalking.com:incoming"
REFUSED = f"WARN  calls of africastalking are refused: store the credential {IN}"
SENDS = "ok    messages can be sent through africastalking"

# The `sms` settings, what is stored, what is told and how it ends.
FOUND = [
    ({}, {}, [], 0),  # for phones
    ({"outgoing_service": "pigeons"}, {}, ["FAIL  nothing is sent: sms.outgoing_service names"], 1),
    (AT, {}, [f"through africastalking: store the credential {OUT}", REFUSED], 1),
    (AT, {OUT: SECRET}, [SENDS, REFUSED], 0),
    (AT, {OUT: SECRET, IN: SECRET}, [SENDS], 0),
    (AT, {OUT: SECRET, IN: SECRET + "\n"}, [SENDS, f"WARN  the credential {IN} begins or ends"], 0),
    (
        AT,
        {OUT: SECRET + "\n"},
        ["FAIL  nothing can be sent", f"WARN  the credential {OUT} be", REFUSED],
        1,
    ),
    (
        {"outgoing_service": "africastalking"},
        {OUT: SECRET},
        ["set sms.africas_talking.u", REFUSED],
        1,
    ),
]


@pytest.mark.parametrize(("sms", "stored", "told", "code"), FOUND)
def test_what_is_told(
    run: Run,
    store_secret: Run,
    tmp_path: Path,
    sms: dict[str, object],
    stored: dict[str, str],
    told: list[str],
    code: int,
) -> None:
    document = tmp_path / "settings.json"
    document.write_text(json.dumps({"sms": {"outgoing_service": "medic-gateway", **sms}}))
    assert run("settings", "put", str(document)).code == 0
    for key, secret in stored.items():
        assert store_secret(key, given=secret.encode() + b"\n").code == 0
    ended = run("doctor")
    for line in told:
        assert line in ended.out
    assert ended.code == code, ended.out
    assert SECRET not in ended.out + ended.err
    if SENDS not in told:
        assert SENDS not in ended.out
    if REFUSED not in told:
        assert REFUSED not in ended.out


def test_a_key_that_is_away_is_told_and_none_is_made(
    run: Run, store_secret: Run, data: Path
) -> None:
    run("doctor")
    assert not (data / "secret.key").exists()
    store_secret(OUT)
    (data / "secret.key").unlink()
    ended = run("doctor")
    assert ended.code == 1
    assert "put the key file back from its copy" in ended.out
    assert not (data / "secret.key").exists()
