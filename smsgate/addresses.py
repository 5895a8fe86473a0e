"""Which addresses of the internet a request may go to: none that belongs to somebody's inside.

A route's address comes from the settings and names come from whoever runs a name server, so every
address that a name stands for is looked at before anything is sent (reliability D16).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import Final

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# IANA's special-purpose registries, and what smuggles an IPv4 address into an IPv6 one.
_INSIDE: Final[tuple[Network, ...]] = tuple(
    ip_network(text)
    for text in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
        "::/96",
        "::ffff:0:0/96",
        "::ffff:0:0:0/96",
        "64:ff9b::/96",
        "64:ff9b:1::/48",
        "100::/64",
        "2001::/23",
        "2001:db8::/32",
        "2002::/16",
        "3fff::/20",
        "5f00::/16",
        "fc00::/7",
        "fe80::/10",
        "fec0::/10",
        "ff00::/8",
    )
)


def is_inside(address: Address) -> bool:
    """Whether `address` is none of the public internet's."""
    return not address.is_global or any(
        address.version == network.version and address in network for network in _INSIDE
    )


def is_listed(address: Address, networks: Iterable[Network]) -> bool:
    """Whether `address` lies in one of `networks`."""
    return any(address.version == network.version and address in network for network in networks)


def refusal(addresses: Sequence[str], allowed: Sequence[Network], *, public: bool) -> str | None:
    """Why nothing may be sent to a host that stands for `addresses`; None where it may.

    One address that may not be reached spoils them all: which of them a connection uses is up to
    chance, or to an attacker's name server.

    Args:
        addresses: every address of the host, as text.
        allowed: networks an operator listed for this route.
        public: whether public addresses will do; over plain HTTP they will not.
    """
    if not addresses:
        return "the host has no address"
    for text in addresses:
        try:
            address = ip_address(text)
        except ValueError:
            return "the host has an address that cannot be read"
        if is_listed(address, allowed):
            continue
        if is_inside(address):
            return f"{address} is a private address, and not in the route's list `allow`"
        if not public:
            return f"{address} is not in the route's list `allow`, as plain HTTP needs"
    return None


def networks(values: object) -> tuple[Network, ...]:
    """The networks in a list of texts such as `192.168.1.0/24`; what names none is left out."""
    found: list[Network] = []
    for value in values if isinstance(values, list) else ():
        if isinstance(value, str):
            with contextlib.suppress(ValueError):
                found.append(ip_network(value.strip(), strict=False))
    return tuple(found)
