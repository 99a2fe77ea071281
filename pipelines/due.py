"""Asks the delivery tables of a deployment what is due now."""

from collections.abc import Mapping, Sequence

from assets.figures.due import due_partitions
from assets.joining.join import ASSET
from assets.ledger.database import Database
from assets.ledger.rows import utc_now
from assets.providers.registry import make_provider
from assets.staging import Staging
from pipelines.configuration.config import Config


def due_in(
    config: Config, destinations: Sequence[str] = ()
) -> Mapping[str, Sequence[str]]:
    """Return partition -> destinations that have a delivery to send again now.

    Partitions before the configured start date, partitions without staged conversions
    (a guard refused them) and disabled destinations are left out.

    Args:
        config: The deployment.
        destinations: Names of the destinations; empty for all.

    Raises:
        ConfigError: The variable of the delivery tables is not set.
        LedgerError: The delivery tables cannot be used.
    """
    config.require("ledger_url")
    policies = {
        name: make_provider(settings).resend
        for name, settings in config.destinations.items()
        if settings.enabled and (not destinations or name in destinations)
    }
    database = Database(config.ledger_url.get_secret_value())
    try:
        # The clock of a database server would cost a second query.
        found = due_partitions(database, policies, utc_now())
    finally:
        database.dispose()
    start = config.start_date.isoformat()
    staging = Staging(config.staging)
    return {
        key: names
        for key, names in found.items()
        if key >= start and staging.path(ASSET, key).is_file()
    }
