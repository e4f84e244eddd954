"""Ways into a guest. Each protocol is a folder: its transport, its client, its wire."""
