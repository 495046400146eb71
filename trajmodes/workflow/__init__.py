"""Phonons at temperature as other programs expect them: a calculator in, their objects out.

In: atoms and a calculator of ASE. Out: what ASE's `Phonons` and matcalc's `PropCalc` return.
Start with `dynamics`, which makes the run; `ase` and `matcalc` analyse it. Neither is imported
by ``import trajmodes``.
"""
