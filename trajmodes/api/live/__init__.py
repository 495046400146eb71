"""Running simulations in Python: `trajmodes.live`, in `watched`."""
