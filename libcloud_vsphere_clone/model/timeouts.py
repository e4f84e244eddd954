"""Seconds that calls of the driver may take where they are not told: its signatures name them, and so do the rooms."""

GUEST_TIMEOUT_S = 120.0
"""For a guest to shut down before it is switched off."""

DEPLOY_TIMEOUT_S = 300
"""For a node to let us in; Libcloud's own default."""
