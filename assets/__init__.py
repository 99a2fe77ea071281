"""What data exists and how each piece is made. Imports `sql`, never `pipelines`."""

import zoneinfo

# The locked tzdata package is used alone. The files of the machine would win over it,
# and may be years older: an order would be counted on another day there.
zoneinfo.reset_tzpath(to=())
zoneinfo.ZoneInfo.clear_cache()
