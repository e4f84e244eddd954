"""VMware Tools' guest operations: no network into the guest is needed."""
