"""Aggregators: the companies between smsgate and the networks, one pure file each."""
