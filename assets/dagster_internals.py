"""The only module that imports from Dagster's private `dagster._core`.

Dagster may move these names in any release, so its version is pinned. Each name stands
here because Dagster's public interface has nothing in its place:

- `AssetGraph`: which assets lead to a failed asset, and which checks belong to an
  asset. `Definitions.resolve_asset_graph` returns one, but `dagster` does not export
  the class.
- `AssetPartitionStatus`: the states of a partition as the UI shows them, among them
  `FAILED`. `DagsterInstance.get_status_by_partition` returns them; `dagster` does not
  export them.
- `BulkActionsFilter`, `BulkActionStatus`: which backfills started from the UI are still
  running. `DagsterInstance.get_backfills` takes them; `dagster` does not export them.
- `SYSTEM_METADATA_KEY_SOURCE_ASSET_OBSERVATION`: metadata that tells Dagster not to
  count a materialization towards every partition of a range.
- `InMemoryJob`, `execute_run`: execute a run that is already recorded, in this process.
  `execute_in_process` records no origin, and then the UI can show a run but cannot
  re-execute it.
- `RegisteredCodeLocationOrigin`, `RemoteJobOrigin`, `RemoteRepositoryOrigin`: that
  origin, the code location in which the UI finds the job of a run.
- `ASSET_PARTITION_RANGE_START_TAG`, `ASSET_PARTITION_RANGE_END_TAG`,
  `PARTITION_NAME_TAG`: the tags that say which partitions a run covers. The UI reads
  them; `dagster` exports no names for them.
"""

from dagster._core.definitions.assets.graph.asset_graph import AssetGraph
from dagster._core.definitions.job_base import InMemoryJob
from dagster._core.definitions.source_asset import (
    SYSTEM_METADATA_KEY_SOURCE_ASSET_OBSERVATION,
)
from dagster._core.execution.api import execute_run
from dagster._core.execution.backfill import BulkActionsFilter, BulkActionStatus
from dagster._core.remote_origin import (
    RegisteredCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.storage.partition_status_cache import AssetPartitionStatus
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
    PARTITION_NAME_TAG,
)

__all__ = [
    "ASSET_PARTITION_RANGE_END_TAG",
    "ASSET_PARTITION_RANGE_START_TAG",
    "PARTITION_NAME_TAG",
    "SYSTEM_METADATA_KEY_SOURCE_ASSET_OBSERVATION",
    "AssetGraph",
    "AssetPartitionStatus",
    "BulkActionStatus",
    "BulkActionsFilter",
    "InMemoryJob",
    "RegisteredCodeLocationOrigin",
    "RemoteJobOrigin",
    "RemoteRepositoryOrigin",
    "execute_run",
]
