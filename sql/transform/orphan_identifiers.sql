-- How many rows of identifiers, exposures and segments name an order or visitor that is
-- not in the same extract, by kind.
--
-- Input: all staged rows, and the refused orders as `refused_completed_orders`. Ids are
-- compared byte by byte. A warehouse may find them equal where they are not, so a row
-- that its statement found for an order may be an orphan here.
with extracted_orders as (
    select
        order_id,
        visitor_id
    from staged_completed_orders
    union
    select
        order_id,
        visitor_id
    from refused_completed_orders
),

order_ids as (
    select distinct order_id
    from extracted_orders
    where order_id is not null
),

visitor_ids as (
    select distinct visitor_id
    from extracted_orders
    where visitor_id is not null
),

-- Exposures and segments may be stored under the id of Convert.com.
all_visitor_ids as (
    select visitor_id
    from visitor_ids
    union
    select value as visitor_id
    from staged_visitor_identifiers
    where kind = 'convert_visitor_id'
),

counted_rows as (
    select
        v.kind,
        case
            when v.order_id is not null
                then v.order_id in (select o.order_id from order_ids as o)
            else v.visitor_id in (select i.visitor_id from visitor_ids as i)
        end as is_owned
    from staged_visitor_identifiers as v
    union all
    select
        'visitor_bucketing' as kind,
        b.visitor_id in (select i.visitor_id from all_visitor_ids as i) as is_owned
    from staged_visitor_bucketing as b
    union all
    select
        'visitor_segments' as kind,
        s.visitor_id in (select i.visitor_id from all_visitor_ids as i) as is_owned
    from staged_visitor_segments as s
)

select
    kind,
    count(*) as row_count,
    count(*) filter (where not is_owned) as orphan_count
from counted_rows
group by kind
order by kind
