"""What Libcloud's users see: its verbs by noun. Each unpacks, calls the room that knows, and converts."""
