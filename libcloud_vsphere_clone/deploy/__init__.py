"""A deployment's steps over a guest session: on one node, or on many at once."""
