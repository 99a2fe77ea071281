"""The variations that an order is attributed to at Convert.

Without `exposure_max_age_days` they are those of the join. With it, older exposures
count for nothing: neither as the variation that was seen nor as a contradiction.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import timedelta

from assets.providers.conversion import Conversion, Exposure
from assets.providers.convert.settings import ConvertSettings
from assets.providers.eligibility import not_stored_detail


def bucketing_of(conversion: Conversion, settings: ConvertSettings) -> dict[str, str]:
    """Return the variation by experience, sorted by experience."""
    if settings.exposure_max_age_days is None:
        return dict(sorted(conversion.bucketing.items()))
    recent = _recent(conversion, settings.exposure_max_age_days)
    return {
        experience: seen[0].variation_id
        for experience, seen in sorted(recent.items())
        if len(seen) == 1 and not _is_refused(seen, conversion, settings)
    }


def no_bucketing_detail(conversion: Conversion, settings: ConvertSettings) -> str:
    """Return the evidence that an order belongs to no experience."""
    left_out: Mapping[str, Sequence[str]] = {
        "seen in two variations": conversion.bucketing_conflicts,
        "exposures refused": conversion.unfit_experiences,
    }
    if settings.exposure_max_age_days is not None:
        left_out = _left_out(conversion, settings)
    detail = [f"{why}: {', '.join(which)}" for why, which in left_out.items() if which]
    return "; ".join(detail) or not_stored_detail(conversion, "exposures")


def _left_out(
    conversion: Conversion, settings: ConvertSettings
) -> Mapping[str, Sequence[str]]:
    days = settings.exposure_max_age_days or 0
    recent = _recent(conversion, days)
    every = {one.experience_id for one in conversion.exposures}
    refused = {
        experience
        for experience, seen in recent.items()
        if len(seen) == 1 and _is_refused(seen, conversion, settings)
    }
    return {
        "seen in two variations": sorted(
            experience for experience, seen in recent.items() if len(seen) > 1
        ),
        "exposures refused": sorted(
            refused | (set(conversion.unfit_experiences) - every)
        ),
        f"seen more than {days} days before": sorted(every - recent.keys()),
    }


def _recent(conversion: Conversion, days: int) -> dict[str, list[Exposure]]:
    earliest = conversion.completed_at - timedelta(days=days)
    found: dict[str, list[Exposure]] = defaultdict(list)
    for one in conversion.exposures:
        if one.last_at >= earliest:
            found[one.experience_id].append(one)
    return dict(found)


def _is_refused(
    seen: Sequence[Exposure], conversion: Conversion, settings: ConvertSettings
) -> bool:
    """Tell whether a refused row of the same days may contradict what was seen."""
    days = settings.exposure_max_age_days or 0
    earliest = conversion.completed_at - timedelta(days=days)
    return any(one.refused_at and one.refused_at >= earliest for one in seen)
