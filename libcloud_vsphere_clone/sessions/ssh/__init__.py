"""SSH to an address of the guest."""
