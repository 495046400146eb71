"""Checks of a run and its job: `trajmodes check`, and conditions that jobs test at the start.

A run that is unsuitable for a job is refused before the long passes.
"""
