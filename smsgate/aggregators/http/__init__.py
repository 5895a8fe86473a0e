"""Any service that speaks HTTP, described in the settings document alone (`smsgate.http`).

Nothing here is a programming language: templates name values, paths and patterns say where values
are, maps say what words mean. `docs/generic-http.md` is the manual.
"""

from __future__ import annotations

from smsgate.aggregators.http.service import HttpFamily

family = HttpFamily()
