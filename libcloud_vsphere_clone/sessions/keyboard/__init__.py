"""The console's keyboard: text typed, nothing comes back."""
