"""Replicates of force constants whose frequencies have given variances.

A deviation of the force constants is a deviation δD(q) of the dynamical matrices. Its elements
between two modes are multiplied by the square roots of the factors by which the standard errors
of both modes grow. The result is expressed in the second-order parameters by least squares of
the relative changes of ω².
"""

from dataclasses import replace

import numpy as np

from trajmodes.arrays import Complexes, Floats
from trajmodes.data.force_constants import FitErrors
from trajmodes.data.modes import Modes
from trajmodes.fit.many_parameters.conjugate_gradients import rescaled
from trajmodes.fit.many_parameters.least_squares import LeastSquares
from trajmodes.fit.members.contributions import unit_matrices
from trajmodes.fit.members.scatter import MemberScatter
from trajmodes.fit.model import Model


def widened(
    errors: FitErrors, model: Model, modes: Modes, scatter: MemberScatter
) -> FitErrors | None:
    """Multiply the variance of each frequency by its growth.

    None if the parameters do not separate by order, or are too many.
    """
    units = unit_matrices(model, modes)
    if units is None:
        return None
    own = np.flatnonzero(model.order == 2)
    matrices_nqmk = between_modes(units, modes)
    weight_qmk, factor_qmk = _weights(modes), _factors(scatter)
    plain = (matrices_nqmk * weight_qmk).reshape(len(own), -1)
    scaled = (matrices_nqmk * (weight_qmk * factor_qmk)).reshape(plain.shape)
    change = np.linalg.solve((plain @ plain.conj().T).real, (plain.conj() @ scaled.T).real)
    mean = errors.parameters.mean(axis=0)
    deviation = errors.parameters - mean
    deviation[:, own] = deviation[:, own] @ change.T
    return replace(errors, parameters=mean + deviation, coherence=scatter.coherence)


def widened_by_gradients(
    errors: FitErrors, problem: LeastSquares, modes: Modes, scatter: MemberScatter
) -> FitErrors:
    """Multiply the variances as `widened` does, but without a matrix for each parameter."""
    vectors_qkm = _vectors(modes).swapaxes(1, 2)
    weight_qmk = _weights(modes) / np.sqrt(modes.weights)[:, None, None]
    rescale = rescaled(problem, vectors_qkm, weight_qmk, _factors(scatter))
    mean = errors.parameters.mean(axis=0)
    wide = np.array([rescale(one) for one in errors.parameters - mean])
    return replace(errors, parameters=mean + wide, coherence=scatter.coherence)


def _factors(scatter: MemberScatter) -> Floats:
    """(q, m, m') factors of the elements of δD between modes."""
    root_qm = scatter.growth**0.25
    found: Floats = root_qm[:, :, None] * root_qm[:, None]
    return found


def _weights(modes: Modes) -> Floats:
    """(q, m, m') weights of the elements of δD between modes.

    They weight relative deviations; soft modes have the weight of modes at a tenth of the
    range.
    """
    omega_qm = np.maximum(np.abs(modes.omega), 0.1 * modes.omega.max())
    found: Floats = np.sqrt(modes.weights)[:, None, None] / (
        omega_qm[:, :, None] * omega_qm[:, None]
    )
    return found


def _vectors(modes: Modes) -> Complexes:
    """(q, m, 3s) polarisation vectors for dynamical matrices without masses."""
    root = np.sqrt(np.repeat(modes.crystal.masses, 3))
    found: Complexes = modes.vectors.reshape(*modes.omega.shape, -1) / root
    return found


def between_modes(matrices: Complexes, modes: Modes) -> Complexes:
    """(…, q, m, m') elements of dynamical matrices (…, q, 3s, 3s) without masses."""
    vectors_qmk = _vectors(modes)
    found: Complexes = vectors_qmk.conj() @ matrices @ vectors_qmk.swapaxes(1, 2)
    return found
