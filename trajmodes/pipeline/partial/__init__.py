"""Results that the data of a run do not allow."""
