"""smsgate: an SMS gateway and record-ingestion service for community-health programmes."""

from importlib.metadata import version

__version__ = version("smsgate")
