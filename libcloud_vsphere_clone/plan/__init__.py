"""What to ask vCenter for, decided without I/O: placement, hardware, network, cloud-init, clone specs."""
