-- The orders completed in the window, one row each.
-- Columns beyond the contract travel along as `extra`.
select o.* -- noqa: AM04
from completed_orders as o
where
    o.completed_at >= :window_start
    and o.completed_at < :window_end
