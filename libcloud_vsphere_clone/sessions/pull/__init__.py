"""Nothing connects in: the guest carries out the deployment by itself, and reports."""
