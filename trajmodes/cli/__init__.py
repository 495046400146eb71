"""The program ``trajmodes``: parses, calls the pipeline, prints. Open `program` first."""

from trajmodes.cli.program import main

__all__ = ["main"]
