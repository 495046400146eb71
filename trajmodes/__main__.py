"""``python -m trajmodes`` is the program ``trajmodes``."""

from trajmodes.cli import main

main()
