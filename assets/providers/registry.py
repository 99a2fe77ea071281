"""The list of providers. Adding one is one line in `REGISTRY`."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import Field

from assets.providers.base import Provider
from assets.providers.convert.provider import Convert, ConvertSettings
from assets.providers.convert.shapes import REPLY_SHAPES as CONVERT_SHAPES
from assets.providers.idme.provider import IdMe, IdMeSettings
from assets.providers.idme.shapes import REPLY_SHAPES as IDME_SHAPES
from assets.providers.impact.provider import Impact
from assets.providers.impact.settings import ImpactSettings
from assets.providers.impact.shapes import REPLY_SHAPES as IMPACT_SHAPES
from assets.providers.settings import DestinationSettings
from assets.providers.shapes import ShapesByRequest
from assets.providers.trackdesk.provider import Trackdesk
from assets.providers.trackdesk.settings import TrackdeskSettings
from assets.providers.trackdesk.shapes import REPLY_SHAPES as TRACKDESK_SHAPES


@dataclass(frozen=True, slots=True)
class ProviderEntry:
    """A provider: its settings, and the object that is made with them.

    Attributes:
        replies: The known shapes of its replies. Other requests are not compared.
        queues: It queues conversions and decides later (`QueueingProvider`).
    """

    settings: type[DestinationSettings]
    make: Callable[[Any], Provider]
    replies: ShapesByRequest = field(default_factory=dict)
    queues: bool = False


REGISTRY: dict[str, ProviderEntry] = {
    "impact": ProviderEntry(ImpactSettings, Impact, IMPACT_SHAPES, queues=True),
    "convert": ProviderEntry(ConvertSettings, Convert, CONVERT_SHAPES),
    "trackdesk": ProviderEntry(TrackdeskSettings, Trackdesk, TRACKDESK_SHAPES),
    "idme": ProviderEntry(IdMeSettings, IdMe, IDME_SHAPES),
}

AnySettings = Annotated[
    ImpactSettings | ConvertSettings | TrackdeskSettings | IdMeSettings,
    Field(discriminator="provider"),
]
"""Settings of a destination; `provider` selects the type."""


def make_provider(settings: DestinationSettings) -> Provider:
    """Return the provider that `settings` configure."""
    return REGISTRY[settings.provider].make(settings)
