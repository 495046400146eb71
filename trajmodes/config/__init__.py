"""Options: each is declared once, in `groups`.

In: names and values from the command line, a TOML file or Python. Out: a checked, frozen `Job`,
which holds one group of options for each stage. `takes` gives a Python function the keywords of
a command; `reference` writes their types and the page in the documentation.
"""
