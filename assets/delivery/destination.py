"""One configured destination, as a run sees it."""

from dataclasses import dataclass, field

from assets.providers.base import Provider
from assets.providers.shapes import ShapesByRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """One configured account at a provider.

    Attributes:
        name: The configured name.
        provider_name: The provider that the configuration names.
        provider: The provider module with its settings.
        mapping_version: Changes when the settings that build payloads change.
        replies: The shapes of the provider's replies, as far as its documents say.
        account: Identifies the account among others of the provider. It is a digest,
            because the account id may be secret. None: unknown.
        is_enabled: Whether the destination is switched on. If not, every order is
            suppressed.
    """

    name: str
    provider_name: str
    provider: Provider
    mapping_version: str
    replies: ShapesByRequest = field(default_factory=dict)
    account: str | None = None
    is_enabled: bool = True
