"""What data exists and how each piece is made. Imports `sql`, never `pipelines`."""
