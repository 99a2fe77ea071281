-- The orders completed in the window, one row per order.
-- Columns that are not part of the contract are passed on as `extra`.
select o.* -- noqa: AM04
from completed_orders as o
where
    o.completed_at >= :window_start
    and o.completed_at < :window_end
