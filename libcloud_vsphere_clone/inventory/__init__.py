"""What is there: names and ids in, rows out, exactly one or an error.

``tree`` says where an object is, ``layout`` which folders hold images and nodes; the others find one kind each.
"""
