"""What writes to vCenter: nodes made, started, stopped and destroyed; undone where it fails."""
