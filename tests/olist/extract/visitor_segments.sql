-- Segments stored for the visitors of the window's orders, up to the order.
with local_orders as (
    select
        o.order_id,
        o.customer_id,
        strptime(o.order_purchase_timestamp, '%m/%d/%Y %H:%M') as completed_at
    from olist_orders as o
    where o.order_status in ('delivered', 'shipped', 'invoiced')
),

window_orders as (
    select
        o.order_id,
        o.customer_id,
        o.completed_at
    from local_orders as o
    where
        o.completed_at
        >= timezone('America/Sao_Paulo', cast(:window_start as timestamptz))
        and o.completed_at
        < timezone('America/Sao_Paulo', cast(:window_end as timestamptz))
),

visits as (
    select
        o.order_id,
        c.customer_unique_id as visitor_id,
        timezone('America/Sao_Paulo', o.completed_at) as completed_at
    from window_orders as o
    inner join olist_customers as c on o.customer_id = c.customer_id
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
