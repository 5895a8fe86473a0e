"""The Prometheus rules, as Prometheus itself reads them (`promtool`, Debian package prometheus)."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

PLACE = Path(__file__).parents[2] / "deploy" / "prometheus"
RULES, CASES = PLACE / "smsgate.rules.yml", PLACE / "smsgate.rules.test.yml"
PROMTOOL = shutil.which("promtool")

pytestmark = pytest.mark.skipif(PROMTOOL is None, reason="no promtool: apt-get install prometheus")


def promtool(*words: str | Path) -> str:
    done = subprocess.run(
        [PROMTOOL or "", *words], capture_output=True, text=True, check=False, timeout=60
    )
    return done.stdout + done.stderr if done.returncode else ""


def test_the_rules_are_sound() -> None:
    assert promtool("check", "rules", RULES) == ""


def test_the_rules_fire_when_they_should_and_not_otherwise() -> None:
    assert promtool("test", "rules", CASES) == ""


def test_another_threshold_is_noticed(tmp_path: Path) -> None:
    changed = RULES.read_text(encoding="utf-8").replace("> 600", "> 6000")
    (tmp_path / RULES.name).write_text(changed, encoding="utf-8")
    shutil.copy(CASES, tmp_path)
    assert "PhoneNotPolling" in promtool("test", "rules", tmp_path / CASES.name)
