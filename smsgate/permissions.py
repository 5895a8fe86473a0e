"""Who may do what: the CHT's permission names, granted to roles by the settings document.

`permissions` maps a permission to the roles that have it; `roles` says which roles there are. A
role that is not declared grants nothing, even where a permission lists it; `admin` and `_admin`
may do everything.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

ADMIN: Final = frozenset({"admin", "_admin"})
ONLINE: Final = "mm-online"

# What a permission of smsgate's is granted to where a document does not mention it. The names of
# roles are those of the CHT's default configuration.
DEFAULT_PERMISSIONS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "can_access_gateway_api": ("gateway",),
        "can_configure": ("program_officer",),
        "can_create_records": (
            "data_entry",
            "gateway",
            "program_officer",
            "chw_supervisor",
            "chw",
        ),
        "can_edit": ("program_officer", "chw_supervisor", "chw", "data_entry"),
        "can_send_messages": ("program_officer", "chw_supervisor"),
        "can_view_messages": ("program_officer", "chw_supervisor"),
        "can_view_reports": ("program_officer", "chw_supervisor", "chw", "data_entry"),
    }
)
DEFAULT_ROLES: Final[Mapping[str, Mapping[str, Any]]] = MappingProxyType(
    {
        "gateway": {"name": "usertype.gateway"},
        "data_entry": {"name": "usertype.data-entry"},
        "program_officer": {"name": "usertype.program-officer"},
        "chw_supervisor": {"name": "usertype.chw-supervisor"},
        "chw": {"name": "usertype.chw", "offline": True},
    }
)


@dataclass(frozen=True, slots=True)
class Permissions:
    """The grants of one settings document, ready to be asked."""

    granted: Mapping[str, frozenset[str]]
    declared: frozenset[str] = field(default_factory=frozenset)
    offline: frozenset[str] = field(default_factory=frozenset)

    @classmethod
    def from_settings(cls, document: Mapping[str, Any]) -> Permissions:
        """Read `permissions` and `roles`; what smsgate needs and they lack is filled in."""
        stated = document.get("permissions")
        granted: dict[str, frozenset[str]] = {
            name: frozenset(roles) for name, roles in DEFAULT_PERMISSIONS.items()
        }
        if isinstance(stated, dict):
            for name, roles in stated.items():
                if isinstance(roles, list):
                    granted[name] = frozenset(role for role in roles if isinstance(role, str))
        roles = document.get("roles")
        declared = roles if isinstance(roles, dict) and roles else DEFAULT_ROLES
        offline = [
            name
            for name, role in declared.items()
            if isinstance(role, dict) and role.get("offline")
        ]
        return cls(
            granted, frozenset(declared) | {"gateway", "data_entry"}, frozenset(offline) - ADMIN
        )

    def allow(self, roles: Iterable[str], *wanted: str) -> bool:
        """Whether `roles` together have every permission in `wanted`."""
        held = frozenset(roles)
        if held & ADMIN:
            return True
        effective = held & self.declared
        return all(effective & self.granted.get(name, frozenset()) for name in wanted)

    def online(self, roles: Iterable[str]) -> bool:
        """Whether the CHT takes an account with `roles` for one that works online.

        So do administrators and the CHT's own mark `mm-online`; an account of which some role works
        offline, or none is declared, does not.
        """
        held = frozenset(roles)
        if held & (ADMIN | {ONLINE}):
            return True
        effective = held & self.declared
        return bool(effective) and not effective & self.offline

    def knows_role(self, role: str) -> bool:
        """Whether `role` means anything."""
        return role in ADMIN or role in self.declared
