-- The lines of the window's orders.
-- Columns that are not part of the contract are passed on as `extra`.
with window_orders as (
    select o.order_id
    from completed_orders as o
    where
        o.completed_at >= :window_start
        and o.completed_at < :window_end
)

select i.* -- noqa: AM04
from order_items as i
where i.order_id in (select o.order_id from window_orders as o)
