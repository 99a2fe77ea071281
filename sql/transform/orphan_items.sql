-- Staged lines whose order is not in the same extract.
--
-- Reads the staged `order_items` and `completed_orders` whole. Lines of an order that
-- stands in `refused_rows` are no orphans: it was extracted, and refused.
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
