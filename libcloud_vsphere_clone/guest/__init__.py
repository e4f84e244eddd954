"""Whether a node's guest is ready: its addresses, its customization, and what keeps it from ever being ready."""
