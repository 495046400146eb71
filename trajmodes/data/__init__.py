"""The data classes through which the stages communicate; all are frozen.

Every array field is checked for its shape, made read-only, and documented with axes and unit.
Axis letters: t frame, a atom, s site, x y z Cartesian, q wave vector, m branch, p pair, b block
of time, g set of symmetry-equivalent modes (a star of q and degenerate branches), w bin.

Open first: `crystal` (crystal and supercell), `motion` (what fitting and projecting read),
`force_constants`, `modes`, and `results` (all results of a run).
"""
