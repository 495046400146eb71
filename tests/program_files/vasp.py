"""vasprun.xml after the files of VASP 6 (pymatgen's collection of examples)."""

import numpy as np

HEAD = """<?xml version="1.0" encoding="ISO-8859-1"?>
<modeling>
 <generator><i name="program" type="string">vasp </i></generator>
 <incar><i type="int" name="IBRION"> {ibrion}</i>{incar}</incar>
 <kpoints><generation param="Gamma"><v type="int" name="divisions"> 1 1 1 </v></generation>
  <varray name="kpointlist" ><v> 0 0 0 </v></varray>
  <varray name="weights" ><v> 1 </v></varray></kpoints>
 <parameters><separator name="ionic" ><i type="int" name="IBRION"> {ibrion}</i>
  <i name="POTIM">      1.50000000</i></separator></parameters>
 <atominfo>
  <atoms> {n_atoms:7d} </atoms>
  <array name="atoms" ><dimension dim="1">ion</dimension><field type="string">element</field>
   <field type="int">atomtype</field><set>{atoms}</set></array>
  <array name="atomtypes" ><dimension dim="1">type</dimension><set>
   <rc><c>   2</c><c>Si</c><c>     28.08500000</c><c> 4.0</c><c>  PAW_PBE Si </c></rc>
   <rc><c>   1</c><c>C </c><c>     13.00300000</c><c> 4.0</c><c>  PAW_PBE C </c></rc>
   <rc><c>   2</c><c>O </c><c>     16.00000000</c><c> 6.0</c><c>  PAW_PBE O </c></rc>
  </set></array>
 </atominfo>
 <structure name="initialpos" >{first}</structure>
"""
DOS = (
    """<eigenvalues><array><set><r> -5.0 1.0 </r><r> 2.0 0.0 </r></set></array></eigenvalues>"""
)


def vasp_varray(name, rows):
    lines = "".join("   <v> " + " ".join(f"{x:16.8f}" for x in row) + " </v>\n" for row in rows)
    return f'  <varray name="{name}" >\n{lines}  </varray>\n'


def vasp_structure(image):
    cell, places = image.cell.array, image.get_scaled_positions(wrap=False)
    crystal = (
        f"<crystal>\n{vasp_varray('basis', cell)}{vasp_varray('rec_basis', cell)}</crystal>"
    )
    return crystal + vasp_varray("positions", places)


def vasprun(path, images, *, ibrion=0, incar="", learned=()):
    """Write a file as VASP does; the steps ``learned`` stand outside of ``calculation``."""
    atoms = "".join(f"<rc><c>{name:2}</c><c>   1</c></rc>\n" for name in images[0].symbols)
    text = HEAD.format(
        n_atoms=len(images[0]), atoms=atoms, first=vasp_structure(images[0]),
        ibrion=ibrion, incar=incar,
    )  # fmt: skip
    for t, image in enumerate(images):
        energy = '<energy><i name="e_fr_energy"> -1 </i><i name="e_0_energy"> -1 </i></energy>'
        step = f" <structure>\n{vasp_structure(image)} </structure>\n"
        step += vasp_varray("forces", image.get_forces()) + vasp_varray("stress", np.eye(3))
        if t in learned:
            text += step + '<energy><i name="kinetic"> 1.0 </i></energy>'
        else:
            text += (
                f"<calculation>\n<scstep>{energy}</scstep>{step}{energy}{DOS}</calculation>\n"
            )
    last = vasp_structure(images[-1])
    path.write_text(text + f' <structure name="finalpos" >{last}</structure>\n</modeling>\n')
    return path
