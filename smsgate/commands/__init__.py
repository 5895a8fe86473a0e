"""What the `smsgate` command does, one module a subject."""
