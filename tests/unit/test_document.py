"""The settings document as a value: combining, first start, what has no effect."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smsgate.document import Mode, combine, first_document, own_key_warnings, without_effect
from smsgate.permissions import ADMIN, DEFAULT_PERMISSIONS, Permissions

VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", max_size=2), inner),
    max_leaves=8,
)
DOCUMENTS = st.dictionaries(st.sampled_from(["a", "b", "c", "smsgate", "permissions"]), VALUES)


@given(DOCUMENTS, DOCUMENTS, st.sampled_from(Mode))
def test_putting_the_same_twice_changes_nothing(
    old: dict[str, Any], new: dict[str, Any], mode: Mode
) -> None:
    once = combine(old, new, mode)
    assert combine(once, new, mode) == once
    assert set(DEFAULT_PERMISSIONS) <= set(once["permissions"])


@given(DOCUMENTS, DOCUMENTS, st.sampled_from(Mode))
def test_neither_document_is_changed(old: dict[str, Any], new: dict[str, Any], mode: Mode) -> None:
    before = repr((old, new))
    combine(old, new, mode)
    assert repr((old, new)) == before


def test_a_new_installation_warns_of_nothing_and_has_nothing_without_effect() -> None:
    first = first_document(date(2026, 3, 9))
    assert own_key_warnings(first) == []
    assert without_effect(first) == []
    assert first["default_responses"] == {"start_date": "2026-03-09"}
    assert combine(first, {}, Mode.MERGE) == first


@pytest.mark.parametrize(
    ("own", "part"),
    [
        (5, "smsgate must be an object"),
        ({"x": 1}, "smsgate.x is not known"),
        ({"replies": []}, "smsgate.replies must be an object"),
        ({"replies": {"x": 1}}, "smsgate.replies.x is not known"),
        ({"replies": {"near_misses": "true"}}, "has the wrong type"),
        ({"outbound": {"expires_hours": True}}, "has the wrong type"),
        ({"outbound": {"expires_hours": "72"}}, "has the wrong type"),
    ],
)
def test_own_keys_are_checked(own: Any, part: str) -> None:
    (warning,) = own_key_warnings({"smsgate": own})
    assert part in warning


def test_own_keys_that_are_right_are_not_warned_of() -> None:
    own = {"replies": {"near_misses": False}, "outbound": {"lease_minutes": 1.5}, "timezone": "x"}
    assert own_key_warnings({"smsgate": own}) == []
    assert own_key_warnings({}) == []


def test_administrators_may_everything_and_others_what_is_granted() -> None:
    permissions = Permissions.from_settings(
        {
            "permissions": {"can_fly": ["pilot", "ghost", 5], "can_swim": "pilot"},
            "roles": {"pilot": {"name": "Pilot"}},
        }
    )
    for role in ADMIN:
        assert permissions.allow([role], "can_anything")
    assert permissions.allow(["pilot"], "can_fly")
    assert not permissions.allow(["ghost"], "can_fly")  # listed, but not declared
    assert not permissions.allow(["pilot"], "can_swim")
    assert not permissions.allow(["pilot"], "can_fly", "can_swim")
    assert permissions.allow(["pilot"])
    assert not permissions.allow([], "can_fly")
    assert permissions.knows_role("pilot")
    assert permissions.knows_role("gateway")
    assert not permissions.knows_role("ghost")


def test_roles_together_have_what_each_has() -> None:
    permissions = Permissions.from_settings({})
    assert not permissions.allow(["gateway"], "can_access_gateway_api", "can_view_messages")
    assert permissions.allow(
        ["gateway", "program_officer"], "can_access_gateway_api", "can_view_messages"
    )
