"""`trajmodes init`: a job file for a run, from the files beside it."""
