"""What Dagster shows of a deployment at one look: partitions, and checks evaluated."""

import time
from collections import defaultdict
from collections.abc import Iterable, Mapping

import dagster as dg

from assets.checks.multi_day import outcomes_by_day
from assets.dagster_internals import AssetGraph, AssetPartitionStatus
from pipelines.alerts.rules import Evaluation, Seen

LONGEST_RUN_SECONDS = 86_400
HISTORY = 1_000
"""Evaluations of one check that are read at one look."""


def see(
    instance: dg.DagsterInstance, graph: AssetGraph, after: int
) -> tuple[Seen, int]:
    """Return what there is to see, and the number of the last evaluation in it.

    Args:
        instance: Dagster's history.
        graph: The assets and checks of the deployment.
        after: Only evaluations with a higher number.
    """
    failed: dict[str, frozenset[str]] = {}
    green: dict[str, frozenset[str]] = {}
    upstream: dict[str, frozenset[str]] = {}
    for key in graph.executable_asset_keys:
        name = key.to_user_string()
        by_status = _partitions(instance, graph, key)
        failed[name] = frozenset(by_status[AssetPartitionStatus.FAILED])
        green[name] = frozenset(by_status[AssetPartitionStatus.MATERIALIZED])
        upstream[name] = frozenset(
            one.to_user_string() for one in graph.get_ancestor_asset_keys(key)
        )
    evaluations, last = _evaluations(instance, graph.asset_check_keys, after)
    return Seen(failed, green, upstream, evaluations), last


def _partitions(
    instance: dg.DagsterInstance, graph: AssetGraph, key: dg.AssetKey
) -> Mapping[AssetPartitionStatus | None, list[str]]:
    found: defaultdict[AssetPartitionStatus | None, list[str]] = defaultdict(list)
    partitions = graph.get(key).partitions_def
    if partitions is not None:
        keys = partitions.get_partition_keys()
        statuses = instance.get_status_by_partition(key, keys, partitions)
        for partition, status in (statuses or {}).items():
            found[status].append(partition)
    return found


def _evaluations(
    instance: dg.DagsterInstance, keys: Iterable[dg.AssetCheckKey], after: int
) -> tuple[list[Evaluation], int]:
    storage = instance.event_log_storage
    latest = storage.get_latest_asset_check_execution_by_key(list(keys))
    found: dict[int, list[Evaluation]] = {}
    planned = []
    for key, newest in latest.items():
        if newest.id <= after:
            continue
        for record in storage.get_asset_check_execution_history(key, limit=HISTORY):
            if record.id > after:
                if isinstance(record.evaluation, dg.AssetCheckEvaluation):
                    found[record.id] = _read(key, record.evaluation)
                elif record.create_timestamp > time.time() - LONGEST_RUN_SECONDS:
                    planned.append(record.id)
    # A row is made when its run begins, and filled in when the check is evaluated.
    last = min(planned) - 1 if planned else max(found, default=after)
    return [one for number in sorted(found) for one in found[number]], last


def _read(
    key: dg.AssetCheckKey, evaluation: dg.AssetCheckEvaluation
) -> list[Evaluation]:
    return [
        Evaluation(
            check=f"{key.asset_key.to_user_string()}:{key.name}",
            partition=day["partition"],
            failed=None if day["passed"] else "error" if day["is_error"] else "warn",
            text=day["text"],
        )
        for day in outcomes_by_day(evaluation)
    ]
