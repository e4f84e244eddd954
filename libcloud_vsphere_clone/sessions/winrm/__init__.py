"""WinRM to an address of a Windows guest."""
