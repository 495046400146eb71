"""molecule."""
