"""Tables of single commands, one module for each; see `trajmodes.results.outputs`."""
