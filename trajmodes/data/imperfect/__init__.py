"""Results that only crystals with several species on one site have."""
