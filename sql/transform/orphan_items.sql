-- Staged lines whose order is not in the same extract.
--
-- Input: all staged `order_items` and `completed_orders`. A line is no orphan if its
-- order is in `refused_rows`, because that order was extracted and refused.
select i.* -- noqa: AM04
from staged_order_items as i
where
    not exists (
        select 1
        from staged_completed_orders as o
        where o.order_id = i.order_id
    )
    and not exists (
        select 1
        from refused_rows as r
        where r.order_id = i.order_id
    )
order by i.order_id, i.line_no
