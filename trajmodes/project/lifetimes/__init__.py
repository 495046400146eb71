"""lifetimes."""
