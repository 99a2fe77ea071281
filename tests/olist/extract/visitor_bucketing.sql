-- Exposures before the window's orders, under the shop's or the experiment tool's id.
with visits as (
    select
        o.order_id,
        o.visitor_id,
        o.completed_at
    from olist_visits(:window_start, :window_end) as o
    where o.order_status in ('delivered', 'shipped', 'invoiced')
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
    where
        v.kind = 'convert_visitor_id'
        and v.captured_at <= o.completed_at
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
