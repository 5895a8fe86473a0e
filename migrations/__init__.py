"""Schema revisions, oldest first. A revision is frozen: it never imports the live tables."""
