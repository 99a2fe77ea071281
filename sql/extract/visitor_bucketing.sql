-- Exposures at or before the window's orders. The visitor is identified by the id of
-- the site or by the id of the experiment tool (`convert_visitor_id`).
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
),

visitors as (
    select
        o.visitor_id,
        o.completed_at
    from window_orders as o
    union
    select
        v.value as visitor_id,
        o.completed_at
    from window_orders as o
    inner join visitor_identifiers as v on o.order_id = v.order_id
    where
        v.kind = 'convert_visitor_id'
        and coalesce(o.completed_at >= v.captured_at, true)
    union
    select
        v.value as visitor_id,
        o.completed_at
    from window_orders as o
    inner join visitor_identifiers as v on o.visitor_id = v.visitor_id
    where
        v.kind = 'convert_visitor_id'
        and coalesce(o.completed_at >= v.captured_at, true)
        and nullif(
            regexp_replace(
                cast(v.order_id as varchar), '[\s' || chr(160) || ']', '', 'g'
            ),
            ''
        ) is null
)

select
    b.visitor_id,
    b.experience_id,
    b.variation_id,
    b.bucketed_at
from visitor_bucketing as b
where
    exists (
        select 1
        from visitors
        where
            visitors.visitor_id = b.visitor_id
            and coalesce(visitors.completed_at >= b.bucketed_at, true)
    )
