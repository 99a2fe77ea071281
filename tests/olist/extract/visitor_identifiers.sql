-- What was stored for the window's orders, or for their visitors before any order.
with visits as (
    select
        o.order_id,
        o.visitor_id,
        o.completed_at
    from olist_visits(:window_start, :window_end) as o
    where o.order_status in ('delivered', 'shipped', 'invoiced')
)

select
    v.order_id,
    v.visitor_id,
    v.kind,
    v.value,
    v.captured_at
from made_up_identifiers as v
where
    exists (
        select 1
        from visits as o
        where
            v.captured_at <= o.completed_at
            and (
                v.order_id = o.order_id
                or (v.order_id is null and v.visitor_id = o.visitor_id)
            )
    )
