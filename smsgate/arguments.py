"""Reading the words of a command line, for `argparse`: each takes a text and gives a value.

Raises:
    argparse.ArgumentTypeError: the text is none; it says what it must be, in a line.
"""

from __future__ import annotations

import argparse


def number(text: str, low: float, high: float) -> float:
    """A number from `low` to `high`."""
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not low <= value <= high:
        raise argparse.ArgumentTypeError(f"must be a number from {low:g} to {high:g}")
    return value


def whole(text: str, low: int, high: int) -> int:
    """A whole number from `low` to `high`."""
    value = number(text, low, high)
    if not value.is_integer():
        raise argparse.ArgumentTypeError("must be a whole number")
    return int(value)


def share(text: str) -> float:
    """A share of something, from 0 to 1."""
    return number(text, 0, 1)


def port(text: str) -> int:
    """A TCP port; 0 lets the system choose."""
    if not text.isascii() or not text.isdigit() or int(text) > 65535:
        raise argparse.ArgumentTypeError("a port is a number from 0 to 65535")
    return int(text)
