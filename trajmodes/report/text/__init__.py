"""Parts of the text for the terminal: the brief summary, the overview, checks."""
