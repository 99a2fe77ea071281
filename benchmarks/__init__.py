"""Benchmarks: speed and memory, as ratios to a baseline of the same run.

Tests of behaviour belong in `tests`; nothing here asserts a figure.
"""
