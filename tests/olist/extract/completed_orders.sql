-- The orders purchased in the window that were delivered, shipped or invoiced. An order
-- without a known line keeps its null money, to be quarantined and still counted.
with window_orders as (
    select
        o.order_id,
        o.customer_id,
        o.completed_at
    from olist_window_orders(:window_start, :window_end) as o
    where o.order_status in ('delivered', 'shipped', 'invoiced')
),

money as (
    select
        i.order_id,
        sum(cast(i.price as decimal(18, 2))) as revenue,
        sum(cast(i.freight_value as decimal(18, 2))) as shipping
    from olist_order_items as i
    group by i.order_id
),

paid as (
    select
        p.order_id,
        p.payment_type,
        sum(cast(p.payment_value as decimal(18, 2))) as payment_value
    from olist_order_payments as p
    group by p.order_id, p.payment_type
),

payment as (
    select
        p.order_id,
        max_by(p.payment_type, row(p.payment_value, p.payment_type)) as payment_type
    from paid as p
    group by p.order_id
)

select
    o.order_id,
    o.completed_at,
    c.customer_unique_id as visitor_id,
    c.customer_unique_id as customer_id,
    null as customer_email_sha1,
    'BRL' as currency,
    m.revenue + m.shipping as total,
    m.revenue,
    0 as discount,
    m.shipping,
    0 as tax,
    null as promo_code,
    null as affiliation,
    null as customer_status,
    'BR' as customer_country,
    c.customer_state as customer_region,
    c.customer_city,
    c.customer_zip_code_prefix as customer_postcode,
    p.payment_type,
    null as tracking_consent,
    false as is_test
from window_orders as o
left join olist_customers as c on o.customer_id = c.customer_id
left join money as m on o.order_id = m.order_id
left join payment as p on o.order_id = p.order_id
