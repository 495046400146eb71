"""A binary alloy of the form of Finnis and Sinclair with closed functions, and its file."""

import numpy as np
from numpy.polynomial import Polynomial

from trajmodes.potentials.eam.functions import Functions

CUTOFF = 4.4


def radial(strength, slope):
    """c (r_c − r)⁶ (1 + s r): smooth at the cutoff to the fifth derivative."""
    form = Polynomial([CUTOFF, -1.0]) ** 6 * Polynomial([1.0, slope]) * strength
    return lambda r, n: form.deriv(n)(r)


def embedding(strength, square):
    """−c √ρ + s ρ²."""
    factors = (1.0, 0.5, -0.25, 0.375)

    def function(rho, n):
        root = -strength * factors[n] * rho ** (0.5 - n)
        return root + square * (rho**2, 2.0 * rho, 2.0 + 0.0 * rho, 0.0 * rho)[n]

    return function


def alloy_functions():
    return Functions(
        species=("Ni", "Al"),
        embedding={"Ni": embedding(1.3, 0.02), "Al": embedding(0.9, 0.05)},
        density={
            ("Ni", "Ni"): radial(2e-2, 0.3),
            ("Ni", "Al"): radial(3e-2, -0.1),
            ("Al", "Ni"): radial(1e-2, 0.5),
            ("Al", "Al"): radial(4e-2, 0.0),
        },
        pair={
            ("Ni", "Ni"): radial(3e-2, -0.2),
            ("Ni", "Al"): radial(2e-2, -0.15),
            ("Al", "Ni"): radial(2e-2, -0.15),
            ("Al", "Al"): radial(4e-2, -0.18),
        },
        cutoff=CUTOFF,
    )


N_RHO, D_RHO, N_R, D_R = 400, 0.05, 300, 0.015


def lines(values, digits=17):
    rows = np.array_split(values, range(5, len(values), 5))
    return "".join(" ".join(f"{v:.{digits}g}" for v in row) + "\n" for row in rows)


RHO, R = D_RHO * np.arange(N_RHO), D_R * np.arange(N_R)


def tables(functions, names, *, by_pairs, r=R, digits=17):
    """Text of a file with the functions of an alloy on a grid."""
    rho, n_r, d_r = RHO, len(r), r[1]
    inside = r <= CUTOFF
    text = "UNITS: metal\nby hand\n\n"
    text += f"{len(names)} {' '.join(names)}\n{N_RHO} {D_RHO} {n_r} {d_r} {CUTOFF}\n"
    for name in names:
        text += "1 58.7 3.5 fcc\n"
        text += lines(functions.embedding[name](rho, 0))
        for at in names if by_pairs else [name]:
            text += lines(np.where(inside, functions.density[at, name](r, 0), 0.0))
    for k, a in enumerate(names):
        for b in names[: k + 1]:
            text += lines(np.where(inside, r * functions.pair[a, b](r, 0), 0.0), digits)
    return text
