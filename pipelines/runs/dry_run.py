"""The dry run of a staged partition: what each destination would be sent.

Nothing is sent and no delivery is written. The partition is staged anew beforehand, so
staged files and quarantined rows are written as by any run.
"""

from collections.abc import Iterator, Sequence

from assets.deliveries import staged_chunks
from assets.delivery.destination_partition import DestinationPartition
from assets.delivery.preview import Preview, preview
from assets.ledger.ledger import Ledger
from pipelines.build import lent_source, open_destination
from pipelines.configuration.config import Config


def previews(
    config: Config, partition_key: str, names: Sequence[str]
) -> Iterator[tuple[str, Preview]]:
    """Yield what a run would do, destination by destination.

    Args:
        config: The deployment.
        partition_key: A partition whose conversions are staged.
        names: Only these destinations; none: all.
    """
    with lent_source(config) as source:
        for name in names or config.destinations:
            destination = open_destination(config, name)
            ledger = Ledger(
                source.database,
                destination=name,
                provider=destination.provider_name,
                run_id="dry-run",
            )
            partition = DestinationPartition(
                destination, ledger, partition_key=partition_key, zone=config.zone
            )
            chunks = staged_chunks(source, partition_key)
            yield name, preview(partition, chunks, source.quarantined(partition_key))
