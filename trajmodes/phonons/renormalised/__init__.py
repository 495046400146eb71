"""renormalised."""
