"""Which providers there are. Adding one is one line in `REGISTRY`."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import Field

from assets.providers.base import Provider
from assets.providers.convert import shapes as convert_shapes
from assets.providers.convert.provider import Convert, ConvertSettings
from assets.providers.idme import shapes as idme_shapes
from assets.providers.idme.provider import IdMe, IdMeSettings
from assets.providers.impact import shapes as impact_shapes
from assets.providers.impact.provider import Impact
from assets.providers.impact.settings import ImpactSettings
from assets.providers.settings import DestinationSettings
from assets.providers.shapes import Replies
from assets.providers.trackdesk import shapes as trackdesk_shapes
from assets.providers.trackdesk.provider import Trackdesk
from assets.providers.trackdesk.settings import TrackdeskSettings


@dataclass(frozen=True, slots=True)
class Entry:
    """A provider: its settings and what is made with them.

    Attributes:
        replies: How its replies look; what is not named here is not watched.
        queues: It takes conversions into a queue and decides later (`Settling`).
    """

    settings: type[DestinationSettings]
    make: Callable[[Any], Provider]
    replies: Replies = field(default_factory=dict)
    queues: bool = False


REGISTRY: dict[str, Entry] = {
    "impact": Entry(ImpactSettings, Impact, impact_shapes.REPLIES, queues=True),
    "convert": Entry(ConvertSettings, Convert, convert_shapes.REPLIES),
    "trackdesk": Entry(TrackdeskSettings, Trackdesk, trackdesk_shapes.REPLIES),
    "idme": Entry(IdMeSettings, IdMe, idme_shapes.REPLIES),
}

AnySettings = Annotated[
    ImpactSettings | ConvertSettings | TrackdeskSettings | IdMeSettings,
    Field(discriminator="provider"),
]
"""Settings of a destination, told apart by `provider`."""


def make_provider(settings: DestinationSettings) -> Provider:
    """Return the provider that `settings` configure."""
    return REGISTRY[settings.provider].make(settings)
