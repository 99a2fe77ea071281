-- What was stored for the window's orders, or for their visitors before any order.
-- The tracker keeps aware instants, so the orders' local time is turned into one.
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
