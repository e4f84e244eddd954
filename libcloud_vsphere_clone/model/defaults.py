"""What holds where a caller says nothing: the signatures of the driver's verbs name it, and so do the rooms. (pure)"""

GUEST_TIMEOUT_S = 120.0
"""Seconds for a guest to shut down before it is switched off."""

REACH_TIMEOUT_S = 300
"""Seconds for a node to run, and again for its guest to let us in: Libcloud's default."""

MAX_TRIES = 3
"""Times that a deployment is tried, where its transport can repeat it: Libcloud's default."""
