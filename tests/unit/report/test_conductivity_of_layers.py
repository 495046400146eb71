"""The conductivity of a layer is reported in its plane, with its thickness."""

import numpy as np
import xarray as xr

from trajmodes.report.sections import conductivity_line


def dataset(diagonal: list[float], **more: float) -> xr.Dataset:
    tensor = (("xyz", "xyz_2"), np.diag(diagonal))
    kappa = {f"kappa_{kind}_w_mk": tensor for kind in ("classical", "quantum")}
    errors = {f"{name}_sem": (axes, 0.1 * values) for name, (axes, values) in kappa.items()}
    rest = {"filled_share": 0.5, "long_wave_share": 0.02, "temperature": 300.0, **more}
    mesh = ("reciprocal", np.array([8, 8, 1]))
    named = {f"kappa_{name}": value for name, value in rest.items()}
    return xr.Dataset({**kappa, **errors, **named, "kappa_mesh": mesh})


def test_a_layer_is_described_in_its_plane():
    text = conductivity_line(dataset([520.0, 520.0, 1e-15], thickness=3.35))
    assert text.startswith("κ of a layer of 3.35 Å = 520 ± 52 classical; 520 ± 52 quantum")
    across = conductivity_line(dataset([0.0, 800.0, 100.0], thickness=3.35))
    assert "y 800 ± 80, z 100 ± 10 classical" in across


def test_a_bulk_crystal_that_conducts_in_a_plane_only_is_described_whole():
    text = conductivity_line(dataset([520.0, 520.0, 0.0]))
    assert "x 520 ± 52, y 520 ± 52, z" in text
    assert "layer" not in text
