-- Exposures before the window's orders, under the shop's or the experiment tool's id.
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
),

visitors as (
    select
        o.visitor_id,
        o.completed_at
    from visits as o
    union
    select
        v.value as visitor_id,
        o.completed_at
    from visits as o
    inner join made_up_identifiers as v on o.visitor_id = v.visitor_id
    where v.kind = 'convert_visitor_id'
)

select
    b.visitor_id,
    b.experience_id,
    b.variation_id,
    b.bucketed_at
from made_up_bucketing as b
where
    exists (
        select 1
        from visitors as v
        where
            b.visitor_id = v.visitor_id
            and b.bucketed_at <= v.completed_at
    )
