"""Read XTC, TRR and DCD files, in units of the program.

In: the path of one file. Out: a `ForeignFile`. `gromacs` reads XTC and TRR, `dcd` DCD files.
`frames` finds frames and reads them as bytes, and `packed` unpacks the positions of XTC. The
libraries for these formats trust the numbers in a file, and damaged numbers make them write
outside their memory. Here every length is compared with the number of available bytes.
"""
