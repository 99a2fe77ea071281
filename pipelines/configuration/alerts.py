"""The settings of alerts."""

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, Field, SecretStr


class Channel(BaseModel):
    """A place that alerts are sent to.

    Attributes:
        url: Address in the form of Apprise: `mailtos://`, `slack://`, `jsons://` ...
        warnings: Whether the channel gets warnings as well as errors.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: SecretStr
    warnings: bool = True


class AlertSettings(BaseModel):
    """The `[alerts]` table of the configuration.

    Attributes:
        channels: Channels by a name of your choice; none switches alerts off.
        ui_url: Address of the Dagster UI, for links.
        digest_minutes: Longest time that alerts wait for runs under way, so that a
            night, or the backfill of a month, is one message.
        every_seconds: Interval between two ticks of the sensor.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    channels: Mapping[str, Channel] = {}
    ui_url: str | None = Field(default=None, pattern="^https?://")
    digest_minutes: int = Field(default=60, ge=0)
    every_seconds: int = Field(default=60, ge=10)
