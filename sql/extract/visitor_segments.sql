-- Segments of the visitors of the window's orders, at or before the order.
-- Rows without a time are included, so that validation can refuse them: such a row may
-- have been before the order.
with window_orders as (
    select
        o.visitor_id,
        o.completed_at
    from completed_orders as o
    where
        o.completed_at >= :window_start
        and o.completed_at < :window_end
)

select
    s.visitor_id,
    s.browser,
    s.device,
    s.source,
    s.visitor_type,
    s.country,
    s.campaign,
    s.custom_segments,
    s.captured_at
from visitor_segments as s
where
    exists (
        select 1
        from window_orders as o
        where
            o.visitor_id = s.visitor_id
            and coalesce(o.completed_at >= s.captured_at, true)
    )
