"""Which providers there are. Adding one is one line in `REGISTRY`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field

from assets.providers.base import DestinationSettings, Provider
from assets.providers.convert import Convert, ConvertSettings
from assets.providers.idme import IdMe, IdMeSettings
from assets.providers.impact import Impact
from assets.providers.impact_settings import ImpactSettings
from assets.providers.trackdesk import Trackdesk
from assets.providers.trackdesk_settings import TrackdeskSettings


@dataclass(frozen=True, slots=True)
class Entry:
    """A provider: its settings and what is made with them.

    Attributes:
        queues: It takes conversions into a queue and decides later (`Settling`).
    """

    settings: type[DestinationSettings]
    make: Callable[[Any], Provider]
    queues: bool = False


REGISTRY: dict[str, Entry] = {
    "impact": Entry(ImpactSettings, Impact, queues=True),
    "convert": Entry(ConvertSettings, Convert),
    "trackdesk": Entry(TrackdeskSettings, Trackdesk),
    "idme": Entry(IdMeSettings, IdMe),
}

AnySettings = Annotated[
    ImpactSettings | ConvertSettings | TrackdeskSettings | IdMeSettings,
    Field(discriminator="provider"),
]
"""Settings of a destination, told apart by `provider`."""


def make_provider(settings: DestinationSettings) -> Provider:
    """Return the provider that `settings` configure."""
    return REGISTRY[settings.provider].make(settings)
