"""`docs/settings.md` names every key of the settings document that has an effect, and no other."""

from __future__ import annotations

from smsgate.document import EFFECTIVE, EFFECTIVE_SMS, OWN_KEYS
from smsgate.permissions import DEFAULT_PERMISSIONS
from tests.docs.reading import page, rows, section

PAGE = page("settings.md")


def _first_cells(heading: str) -> list[str]:
    return [cells[0].strip("`") for cells in rows(section(PAGE, heading))]


def test_every_own_key() -> None:
    known = {
        f"smsgate.{key}.{name}" if name else f"smsgate.{key}"
        for key, names in OWN_KEYS.items()
        for name in (names or ("",))
    }
    assert set(_first_cells("smsgate's own keys")) == known


def test_every_key_of_the_chts_with_an_effect() -> None:
    described = set(_first_cells("The CHT's keys that have an effect"))
    assert {key.partition(".")[0] for key in described} == EFFECTIVE - {"smsgate"} | {"sms"}
    assert {key.partition(".")[2] for key in described if key.startswith("sms.")} == EFFECTIVE_SMS


def test_every_permission_with_its_roles() -> None:
    text = section(PAGE, "Who may do what")
    for name, roles in DEFAULT_PERMISSIONS.items():
        granted = ", ".join(f"`{role}`" for role in roles)
        assert f"| `{name}` | {granted} |" in text
        assert len([cells for cells in rows(text) if cells[0] == f"`{name}`"]) == 2
