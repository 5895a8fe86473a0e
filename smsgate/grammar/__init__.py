"""Grammars: how a text becomes raw values. `base` is the contract, `registry` finds the plugins."""
