"""What runs: jobs, schedules, sensors, configuration, and the command line.

What data exists and how each piece is made belongs in `assets`, which imports nothing
from here.
"""
