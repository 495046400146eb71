"""anharmonic."""
