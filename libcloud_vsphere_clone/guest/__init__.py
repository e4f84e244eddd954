"""What concerns the inside of a node: its addresses, the keys that open it, sessions into it."""
