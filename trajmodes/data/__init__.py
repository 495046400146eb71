"""The nouns: frozen data that the stages meet in.

Every array field is checked for shape, set read-only, and documented with axes and unit.
Axis letters: t frame, a atom, s site, x y z Cartesian, q m mode, p pair, b block, g set of
symmetry-equal modes, w bin. Open `motion` first: it is what both fitting and projecting read.
"""
