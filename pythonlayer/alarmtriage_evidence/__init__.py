"""Collects what an engineer looks at first when a CloudWatch alarm fires.

The orchestrator runs `collect` as tool call 0 of each investigation, before any model is asked. Everything that it reads
from AWS is untrusted: names, log lines, tags, and descriptions are data, and none of them selects code. It protects
nothing: the broker decides which requests pass.
"""

from .collector import collect

__all__ = ["collect"]
