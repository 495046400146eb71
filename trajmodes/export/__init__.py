"""Files that other programs load.

In: `ForceConstants` and the `Supercell` of the run. Out: files in a folder of the caller's
choice, in the units of the program they are for. One file here per program: `phonopy`.
"""

from trajmodes.export.phonopy import write_phonopy

__all__ = ["write_phonopy"]
