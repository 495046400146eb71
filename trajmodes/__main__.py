"""``python -m trajmodes`` is the program ``trajmodes``."""

from trajmodes.cli.program import main

main()
