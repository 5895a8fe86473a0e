"""The grammars that smsgate ships: one file each, found through entry points like any other."""
