"""The dry run of a staged partition: what a run would send to each destination.

A dry run sends nothing and writes no delivery. The caller stages the partition first,
which writes staged files and quarantined rows as any run does.
"""

from collections.abc import Iterator, Sequence

from assets.deliveries import staged_chunks
from assets.delivery.destination_partition import DestinationPartition
from assets.delivery.preview import Preview, preview
from assets.ledger.ledger import Ledger
from pipelines.build import managed_source, open_destination
from pipelines.configuration.config import Config


def preview_destinations(
    config: Config, partition_key: str, names: Sequence[str]
) -> Iterator[tuple[str, Preview]]:
    """Yield the name of each destination and the preview of its deliveries.

    Args:
        config: The deployment.
        partition_key: A partition whose conversions are staged.
        names: The destinations; empty for all.
    """
    with managed_source(config) as source:
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
