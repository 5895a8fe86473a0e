"""`smsgate simulate phone` against a real HTTP server on loopback."""

from __future__ import annotations

import argparse
import re
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from smsgate.simulate import phone
from tests.bench.serving import free_port
from tests.fakes.phone_server import FAULTS, PASSWORD, USER, PhoneServer, serving

COMMAND = (
    "import argparse, sys; from smsgate.simulate import phone;"
    "p = argparse.ArgumentParser(); phone.add_arguments(p); sys.exit(phone.run(p.parse_args()))"
)

# Seconds for what takes a moment: only a test that has failed waits so long.
LONG = 60


def parse(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    phone.add_arguments(parser)
    return parser.parse_args(words)


def carry(url: str, *more: str) -> int:
    return phone.run(parse("--url", url, "--user", USER, "--interval", "0.005", *more))


@pytest.fixture(autouse=True)
def _password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMSGATE_PASSWORD", PASSWORD)


def test_a_run_that_goes_well(capsys: pytest.CaptureFixture[str]) -> None:
    server = PhoneServer()
    with serving(server) as running:
        assert carry(running.url, "--count", "40") == 0
    out, err = capsys.readouterr()
    assert err == ""
    for line in (
        "sms sent: 40",
        "sms acknowledged: 40",
        "replies: 40",
        "delivered: 40",
        "failed: 0",
        "corrupted: 0",
        "doubled: 0",
        "lost: 0",
        "result: ok",
    ):
        assert line in out.splitlines()
    assert len(server.inbound) == 40
    walked = {tuple(o.statuses) for o in server.offers.values()}
    assert walked == {("UNSENT", "PENDING", "SENT", "DELIVERED")}
    assert not any(number in out for number, _ in server.inbound.values())


def test_headers_and_batches_are_the_phones() -> None:
    server = PhoneServer()
    with serving(server) as running:
        assert carry(running.url, "--count", "60") == 0
    (verb, path, get), (_, _, post), *_ = server.requests
    assert (verb, path) == ("GET", "/api/sms")
    assert "accept" not in get
    assert {"accept-charset", "cache-control"}.isdisjoint(get)
    assert get["content-type"] == post["content-type"] == "application/json"
    assert post["accept"] == "application/json"
    assert post["accept-charset"] == "utf-8"
    assert post["cache-control"] == "no-cache"
    assert post["accept-encoding"] == get["accept-encoding"] == "gzip"
    agent = r"Dalvik/\S+ \(Linux; .*\) medic\.gateway\.alert\.generic/\S+"
    assert re.fullmatch(agent, post["user-agent"])
    assert all(len(p["messages"]) <= 10 and len(p["updates"]) <= 20 for p in server.polls)
    assert max(len(p["updates"]) for p in server.polls) == 20


@pytest.mark.parametrize("fault", [*FAULTS, "gzip"])
def test_a_fault_is_survived_and_the_same_batch_sent_again(
    fault: str, capsys: pytest.CaptureFixture[str]
) -> None:
    server = PhoneServer(faults=[fault, fault, "", fault])
    with serving(server) as running:
        assert carry(running.url, "--count", "12") == 0, capsys.readouterr().out
    assert len(server.inbound) == 12
    if fault != "gzip":
        assert server.polls[0] == server.polls[1] == server.polls[2]
        assert server.polls[3] == server.polls[4]
    assert [verb for verb, *_ in server.requests].count("GET") == 1
    assert {path for _, path, _ in server.requests} == {"/api/sms"}


@pytest.mark.parametrize("trait", ["repeats", "haunts", "junk", "no messages", "no array"])
def test_odd_but_harmless_servers(trait: str, capsys: pytest.CaptureFixture[str]) -> None:
    server = PhoneServer(traits=frozenset({trait}))
    with serving(server) as running:
        assert carry(running.url, "--count", "12") == 0, capsys.readouterr().out
    assert len(server.offers) == 12


@pytest.mark.parametrize(
    ("trait", "more", "complaint"),
    [
        ("doubles", (), r"doubled: 12 \(out-"),
        ("forgets", (), r"lost: 1 \([0-9a-f-]{36}\)"),
        ("silent", ("--expect-replies", "yes"), r"lost: 12 \("),
        ("conflicts", (), r"corrupted: \d+ \(out-"),
    ],
)
def test_what_is_lost_doubled_or_changed_is_found(
    trait: str, more: tuple[str, ...], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(PhoneServer(traits=frozenset({trait}))) as running:
        assert carry(running.url, "--count", "12", *more) == 1
    out, err = capsys.readouterr()
    assert re.search(complaint, out)
    assert out.endswith("result: FAILED\n")
    assert err == ""


def test_a_server_that_takes_a_repeated_batch_for_a_new_one_is_found(
    capsys: pytest.CaptureFixture[str],
) -> None:
    server = PhoneServer(faults=["hang up"], traits=frozenset({"takes again"}))
    with serving(server) as running:
        assert carry(running.url, "--count", "12") == 1
    repeated = len(server.polls[0]["messages"])
    assert repeated > 0
    assert f"doubled: {repeated} (out-" in capsys.readouterr().out


@pytest.mark.parametrize("expect", ["auto", "no"])
def test_a_server_that_never_replies_is_fine_unless_replies_are_expected(expect: str) -> None:
    with serving(PhoneServer(traits=frozenset({"silent"}))) as running:
        assert carry(running.url, "--count", "3", "--expect-replies", expect) == 0


def test_lost_responses_and_failing_messages(capsys: pytest.CaptureFixture[str]) -> None:
    server = PhoneServer()
    with serving(server) as running:
        assert carry(running.url, "--count", "30", "--drop-rate", "0.5", "--fail-rate", "1") == 0
    out = capsys.readouterr().out
    assert "failed: 30" in out
    assert "delivered: 0" in out
    dropped = re.search(r"dropped on purpose (\d+)", out)
    assert dropped
    assert int(dropped[1]) > 0
    assert {o.statuses[-1] for o in server.offers.values()} == {"FAILED"}


def test_nothing_to_carry_still_takes_what_waits(tmp_path: Path) -> None:
    server = PhoneServer()
    server._reply("+254700000001")
    with serving(server) as running:
        assert carry(running.url, "--count", "0") == 0
    assert server.offers["out-0"].statuses[-1] == "DELIVERED"


def test_messages_from_a_file_are_carried_as_they_stand(tmp_path: Path) -> None:
    path = tmp_path / "messages"
    path.write_text("1!ANC!Sam#23#2015\n+254700000001\tमाया ok\n", encoding="utf-8")
    server = PhoneServer()
    with serving(server) as running:
        assert carry(running.url, "--messages", str(path)) == 0
    assert [text for _, text in server.inbound.values()] == ["1!ANC!Sam#23#2015", "माया ok"]
    assert ("+254700000001", "माया ok") in server.inbound.values()


def test_a_server_restart_in_the_middle_is_survived(capsys: pytest.CaptureFixture[str]) -> None:
    server = PhoneServer(falters_at=5)
    with serving(server) as running, ThreadPoolExecutor(1) as pool:
        result = pool.submit(carry, running.url, "--count", "100")
        assert server.reached.wait(LONG)
        running.stop()
        assert not result.done()
        server.goes_on.set()
        running.start()
        assert result.result(LONG) == 0, capsys.readouterr().out
    assert len(server.inbound) == len(server.offers) == 100


def test_a_killed_simulator_resumes_from_its_state(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state = str(tmp_path / "phone.state")
    server = PhoneServer(falters_at=12)
    with serving(server) as running:
        words = ["--url", running.url, "--user", USER, "--count", "80", "--state", state]
        with subprocess.Popen(
            [sys.executable, "-c", COMMAND, *words, "--interval", "0.01"],
            stdout=subprocess.DEVNULL,
        ) as process:
            assert server.reached.wait(LONG)
            process.kill()
        server.goes_on.set()
        before = len(server.inbound)
        assert 0 < before < 80
        assert carry(running.url, "--count", "80", "--state", state) == 0, capsys.readouterr().out
        assert carry(running.url, "--count", "80", "--state", state) == 0
        assert carry(running.url, "--count", "85", "--state", state) == 0
    assert "sms sent: 85" in capsys.readouterr().out
    assert len(server.inbound) == len(server.offers) == 85


def test_ctrl_c_says_so_in_one_line(tmp_path: Path) -> None:
    state = tmp_path / "phone.state"
    server = PhoneServer(falters_at=5)
    with serving(server) as running:
        words = ["--url", running.url, "--user", USER, "--count", "500", "--state", str(state)]
        with subprocess.Popen(
            [sys.executable, "-c", COMMAND, *words, "--interval", "0.01"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            assert server.reached.wait(LONG)
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=LONG)
    assert process.returncode == 1
    goes_on = f"the same command with --state {state} goes on from here"
    assert err == f"smsgate simulate phone: stopped; {goes_on}\n"
    assert state.stat().st_size > 0


def test_a_full_disk_is_told_in_one_line(tmp_path: Path) -> None:
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000));"
    server = PhoneServer()
    with serving(server) as running:
        words = ["--url", running.url, "--user", USER, "--count", "50", "--interval", "0"]
        done = subprocess.run(
            [sys.executable, "-c", limit + COMMAND, *words, "--state", str(tmp_path / "state")],
            check=False,
            capture_output=True,
            text=True,
            timeout=LONG,
        )
    assert done.returncode == 1
    assert done.stderr == "smsgate simulate phone: cannot go on: File too large\n"
    assert len(server.inbound) < 50


@pytest.mark.parametrize(
    ("get", "complaint"),
    [
        ((200, b"<html>", {}), "not the expected app (HTTP 200)"),
        ((302, b"", {"Location": "/login"}), "HTTP 302: the address redirects"),
        ((401, b"", {}), "HTTP 401: the server refuses this user or password"),
        ((503, b"", {}), "not the expected app (HTTP 503)"),
    ],
)
def test_an_address_the_settings_screen_refuses(
    get: tuple[int, bytes, dict[str, str]], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    server = PhoneServer(get=get)
    with serving(server) as running:
        assert carry(running.url) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert complaint in err
    assert err.count("\n") == 1
    assert server.polls == []


def test_a_phone_already_set_up_polls_on_while_the_check_fails(tmp_path: Path) -> None:
    state = str(tmp_path / "state")
    server = PhoneServer()
    with serving(server) as running:
        assert carry(running.url, "--count", "2", "--state", state) == 0
        server.get = (503, b"", {})
        assert carry(running.url, "--count", "4", "--state", state) == 0
        server.get = (404, b"", {})
        assert carry(running.url, "--count", "6", "--state", state) == 1
    assert len(server.inbound) == 4


def test_nobody_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert carry(f"http://127.0.0.1:{free_port()}/api/sms") == 1
    assert capsys.readouterr().err == "smsgate simulate phone: cannot contact the server\n"


def test_tls_where_there_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    with serving(PhoneServer()) as running:
        assert carry(running.url.replace("http:", "https:")) == 1
    assert capsys.readouterr().err.startswith("smsgate simulate phone: TLS failed: ")


def test_giving_up_when_told_to(capsys: pytest.CaptureFixture[str]) -> None:
    with serving(PhoneServer(faults=["500"] * 1000)) as running:
        assert carry(running.url, "--give-up", "0.05") == 1
    assert capsys.readouterr().err == (
        "smsgate simulate phone: no poll was accepted for 0.05 seconds\n"
    )


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--url", "nonsense", "--user", "u"], "must look like"),
        (["--url", "http://h/"], "give --user"),
        (["--url", "http://h/", "--user", "u", "--password-env", "NO_SUCH"], "NO_SUCH"),
        (["--url", "http://h/", "--user", "u", "--messages", "/no/such"], "/no/such"),
    ],
)
def test_usage(words: list[str], complaint: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert phone.run(parse(*words)) == 2
    err = capsys.readouterr().err
    assert complaint in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    "words",
    [
        ["--drop-rate", "1"],
        ["--fail-rate", "nan"],
        ["--fail-rate", "x"],
        ["--count", "1.5"],
        ["--count", "-1"],
        ["--quiet-polls", "0"],
        ["--expect-replies", "maybe"],
    ],
)
def test_options_out_of_range(words: list[str]) -> None:
    with pytest.raises(SystemExit) as left:
        parse("--url", "http://h/", *words)
    assert left.value.code == 2


def test_a_file_that_is_no_state(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "notes"
    path.write_text("dear diary\n")
    assert carry("http://127.0.0.1:9/", "--state", str(path)) == 1
    assert "is not a state file" in capsys.readouterr().err
    assert carry("http://127.0.0.1:9/", "--state", str(tmp_path)) == 1
    assert "Is a directory" in capsys.readouterr().err
    assert carry("http://127.0.0.1:9/", "--state", "/dev/null") == 1
    assert "is not a file" in capsys.readouterr().err
