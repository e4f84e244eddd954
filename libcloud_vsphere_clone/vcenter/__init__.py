"""The only code with a socket to vCenter: session, TLS, bulk reads, updates, tasks.

It knows managed objects and rows, and nothing of images, nodes or Libcloud.
"""
