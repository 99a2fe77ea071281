-- One line per product and price of the window's orders: the source has a row per unit.
with window_orders as (
    select
        o.order_id,
        o.customer_id,
        o.completed_at
    from olist_window_orders(:window_start, :window_end) as o
    where o.order_status in ('delivered', 'shipped', 'invoiced')
),

order_lines as (
    select
        i.order_id,
        i.product_id,
        cast(i.price as decimal(18, 2)) as unit_price,
        min(cast(i.order_item_id as integer)) as first_unit,
        count(*) as quantity
    from olist_order_items as i
    group by i.order_id, i.product_id, cast(i.price as decimal(18, 2))
)

select
    l.order_id,
    l.first_unit as line_no,
    l.product_id as sku,
    l.product_id,
    null as name, -- noqa: RF04
    p.product_category_name as category,
    null as sub_category,
    null as brand,
    null as variant,
    l.quantity,
    l.unit_price,
    l.unit_price * l.quantity as subtotal,
    0 as discount
from order_lines as l
inner join window_orders as o on l.order_id = o.order_id
left join olist_products as p on l.product_id = p.product_id
