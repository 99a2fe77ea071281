"""The seeded demo warehouse."""
