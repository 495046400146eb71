"""A browser that tests look at pages with."""
