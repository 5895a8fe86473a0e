"""The test suite: tables of cases over the real thing."""
