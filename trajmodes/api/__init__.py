"""The objects that ``import trajmodes as tm`` offers.

In: files, arrays, ASE Atoms, phonopy objects. Out: `Run`, `ForceConstants`, `Results`. Start
with `runs`; `force_constants` and `results` hold what its methods return.
"""
