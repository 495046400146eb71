"""The program ``trajmodes`` without its commands, and its help."""

import gc
import os
from typing import Any

import click

from trajmodes import __version__
from trajmodes.machine import print_any_text


class _Program(click.Group):
    def main(self, *words: Any, **more: Any) -> Any:
        """Run a command."""
        print_any_text()
        return super().main(*words, **more)


@click.group(cls=_Program, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "-V", "--version", prog_name="trajmodes")
def main() -> None:
    """Phonons at temperature, from a molecular-dynamics trajectory.

    \b
    Analyse a run
      trajmodes demo                                   see it work on a bundled run
      trajmodes check run.lammpstrj --cell POSCAR      does the file fit the crystal?
      trajmodes init  run.lammpstrj                    a commented job file of this run
      trajmodes run   run.lammpstrj --cell POSCAR      force constants, energies, lifetimes
      trajmodes show  results/ [modes]                 everything, or a table
      trajmodes plot results/ bands --width 85mm       a figure for a paper, as PDF, SVG or PNG
      trajmodes report results/ [more/]                a page to send, also of several folders
      trajmodes resume results/                        continue a command that was ended
      trajmodes live  imd://localhost:8888             the same of a simulation while it runs
      trajmodes convert run.lammpstrj.gz run.nc        a smaller file that is read faster
      trajmodes completion bash --install              the shell completes commands and options

    \b
    Force constants
      trajmodes fit   a/*.lammpstrj b/*.lammpstrj …    force constants alone, of several runs
      trajmodes scan  fit/                             which cutoff, which order, how long a run
      trajmodes export fit/ --to phono3py              for phonopy, ShengBTE, TDEP, ALAMODE, …

    \b
    Modes and spectra
      trajmodes project run.xyz --force-constants fit/ energies, lifetimes of given modes
      trajmodes modes modes/results.nc                 the table of all modes
      trajmodes movie fit/ "1/2 1/2 0:4"               a mode as extended XYZ
      trajmodes molecule run.xyz                       modes of a molecule or cluster
      trajmodes sed   run.lammpstrj --path auto        spectral energy density along a path
      trajmodes sqw   run.lammpstrj --to 4,0,0         dynamic structure factor S(Q, ω)
      trajmodes one-phonon fit/ --to 4,0,0             one-phonon S(Q, ω), such as of neutrons
      trajmodes spectral-function fit/                 lines of the modes from third order

    \b
    Properties of the crystal
      trajmodes thermo fit/                            free energy, entropy, heat capacity, ⟨u²⟩
      trajmodes elastic fit/                           elastic constants, velocities of sound
      trajmodes bvk fit/                               constants of neighbour shells
      trajmodes potential Au.eam --structure fcc:4.08:Au   constants, bands of a potential
      trajmodes series T100/ T300/ T600/               frequencies, widths as functions of T
      trajmodes quasiharmonic V1/ V2/ V3/ V4/          thermal expansion, C_p, bulk modulus
      trajmodes qha Cu.eam --structure fcc:3.6:Cu      the same of a potential
      trajmodes phases a_qha/ b_qha/                   where two phases have the same G
      trajmodes free-energy fit/ --energies log.lammps free energy of the run, by order

    \b
    Configurations
      trajmodes sample fit/ --temperature 300          configurations in thermal equilibrium
      trajmodes sctdep fit/ --lammps "pair_style …"    self-consistent phonons, without a run
    """  # noqa: D301 - click wants the very character \b
    # Imports make very many objects that stay. By default the collector of reference cycles
    # looks through all of them again and again: a tenth of the time of a short command.
    gc.set_threshold(10_000, 10, 10)
    # A primitive cell is sought with many tolerances; spglib would warn of each failure.
    os.environ.setdefault("SPGLIB_WARNING", "OFF")
