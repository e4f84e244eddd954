"""A VM's console: keys typed on it through vCenter."""
