-- Segments stored for the visitors of the window's orders, up to the order.
with visits as (
    select
        o.order_id,
        o.visitor_id,
        o.completed_at
    from olist_visits(:window_start, :window_end) as o
    where o.order_status in ('delivered', 'shipped', 'invoiced')
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
from made_up_segments as s
where
    exists (
        select 1
        from visits as o
        where
            s.visitor_id = o.visitor_id
            and s.captured_at <= o.completed_at
    )
