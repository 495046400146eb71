"""Settings of the documentation."""

project = "trajmodes"
author = "The trajmodes developers"
extensions = ["myst_parser"]
myst_enable_extensions = ["dollarmath"]
html_theme = "furo"
