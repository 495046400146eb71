"""Runs of one crystal at several temperatures, and the results of a series of them."""
