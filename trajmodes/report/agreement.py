"""When two lifetimes of one mode are said to disagree."""

__all__ = ["DISAGREE"]

DISAGREE = 2.0
"""So many combined errors apart. Both come from one run, so that the combined error is an upper
bound, and what is told to disagree does so surely."""
