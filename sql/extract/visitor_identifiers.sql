-- Identifiers that were stored for the window's orders, or for their visitors without
-- an order. A row that names an order belongs only to that order.
-- Rows without a time are included, so that validation can refuse them: such a row may
-- have been before the order.
with window_orders as (
    select
        o.order_id,
        o.visitor_id,
        o.completed_at
    from completed_orders as o
    where
        o.completed_at >= :window_start
        and o.completed_at < :window_end
)

select
    v.order_id,
    v.visitor_id,
    v.kind,
    v.value,
    v.captured_at
from visitor_identifiers as v
where
    exists (
        select 1
        from window_orders as o
        where
            o.order_id = v.order_id
            and coalesce(o.completed_at >= v.captured_at, true)
    )
union all
select
    v.order_id,
    v.visitor_id,
    v.kind,
    v.value,
    v.captured_at
from visitor_identifiers as v
where
    nullif(
        regexp_replace(cast(v.order_id as varchar), '[\s' || chr(160) || ']', '', 'g'),
        ''
    ) is null
    and exists (
        select 1
        from window_orders as o
        where
            o.visitor_id = v.visitor_id
            and coalesce(o.completed_at >= v.captured_at, true)
    )
