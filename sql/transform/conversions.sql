-- One row per order, with what was known about its visitor at the time of the order.
--
-- Input: the five staged extracts as views of the same names, the refused rows of two
-- of them as `refused_<name>`, and the ids of orders with a refused row as
-- `refused_rows`. A visitor's row counts if its time is at or before `completed_at`.
--
-- The columns between the facts and `source_hash` hold the problems of an order.
-- `JOINED_ORDERS` in assets/validation/schemas.py checks them.
with orders as (
    select
        order_rows.order_id,
        min(order_rows) as first_row,
        max(order_rows) as last_row
    from completed_orders as order_rows
    group by order_rows.order_id
),

distinct_orders as (
    select first_row.*
    from orders
),

order_lines as (
    select
        i.order_id,
        i.line_no,
        i.subtotal,
        i.discount,
        cast(power(10, -o.currency_digits) as decimal(24, 6)) as minor_unit,
        cast(power(10, -o.currency_digits) / 2 as decimal(24, 6)) as half_a_unit,
        -- Null if the product has more digits than a decimal can hold.
        try(abs(i.quantity * i.unit_price - i.subtotal)) as price_gap,
        {
            'line_no': i.line_no,
            'sku': i.sku,
            'product_id': i.product_id,
            'name': i.name,
            'category': i.category,
            'sub_category': i.sub_category,
            'brand': i.brand,
            'variant': i.variant,
            'quantity': i.quantity,
            'unit_price': i.unit_price,
            'subtotal': i.subtotal,
            'discount': i.discount,
            'extra': i.extra
        } as item
    from order_items as i
    inner join distinct_orders as o on i.order_id = o.order_id
),

-- A unit price may have more decimals than the currency: 3 x 3.333333 is 10.00, but it
-- is not 9.99.
items as (
    select
        l.order_id,
        list(l.item order by l.item) as items,
        sum(l.subtotal) as items_subtotal,
        sum(l.discount) as items_discount,
        count(*) > count(distinct l.line_no) as repeats_line_no,
        list(l.line_no order by l.line_no) filter (
            where
            l.subtotal % l.minor_unit <> 0
            or l.discount % l.minor_unit <> 0
        ) as imprecise_lines,
        list(l.line_no order by l.line_no) filter (
            where
            l.price_gap is null
            or l.price_gap > l.half_a_unit
        ) as mispriced_lines
    from order_lines as l
    group by l.order_id
),

-- A row that names an order belongs only to that order; any other row belongs to the
-- visitor. A row that names an order and a different visitor contradicts itself.
known_identifiers as (
    select
        o.order_id,
        v.kind,
        v.value,
        row(true, v.captured_at, v.value) as strength
    from distinct_orders as o
    inner join visitor_identifiers as v on o.order_id = v.order_id
    where
        v.captured_at <= o.completed_at
        and coalesce(v.visitor_id = o.visitor_id, true)
    union all
    select
        o.order_id,
        v.kind,
        v.value,
        row(false, v.captured_at, v.value) as strength
    from distinct_orders as o
    inner join visitor_identifiers as v on o.visitor_id = v.visitor_id
    where
        v.order_id is null
        and v.captured_at <= o.completed_at
),

winning_identifiers as (
    select
        order_id,
        kind,
        max_by(value, strength) as winner,
        max(row(strength[1], strength[2])) as strength
    from known_identifiers
    group by order_id, kind
),

-- Rows that might have counted if they could be read: nothing proves the opposite.
doubtful_identifiers as (
    select
        o.order_id,
        r.kind,
        r.reasons,
        row(true, coalesce(r.captured_at, o.completed_at)) as strength
    from distinct_orders as o
    inner join refused_visitor_identifiers as r on o.order_id = r.order_id
    where coalesce(r.captured_at <= o.completed_at, true)
    union all
    select
        o.order_id,
        r.kind,
        r.reasons,
        row(
            list_contains(r.reasons, 'unreadable_order_id'),
            coalesce(r.captured_at, o.completed_at)
        ) as strength
    from distinct_orders as o
    inner join refused_visitor_identifiers as r on o.visitor_id = r.visitor_id
    where
        r.order_id is null
        and coalesce(r.captured_at <= o.completed_at, true)
    union all
    select
        o.order_id,
        v.kind,
        ['other_visitor'] as reasons,
        row(true, v.captured_at) as strength
    from distinct_orders as o
    inner join visitor_identifiers as v on o.order_id = v.order_id
    where
        v.captured_at <= o.completed_at
        and v.visitor_id <> o.visitor_id
),

unfit_kinds as (
    select
        d.order_id,
        d.kind,
        list_sort(list_distinct(flatten(list(d.reasons)))) as reasons
    from doubtful_identifiers as d
    left join winning_identifiers as w
        on d.order_id = w.order_id and d.kind = w.kind
    where
        d.kind is not null
        and not list_contains(d.reasons, 'unknown_kind')
        and (w.strength is null or d.strength >= w.strength)
    group by d.order_id, d.kind
),

unfit_identifiers as (
    select
        order_id,
        list(
            { 'kind': kind, 'reasons': array_to_string(reasons, ', ') }
            order by kind
        ) as unfit_identifiers
    from unfit_kinds
    group by order_id
),

fit_identifiers as (
    select w.*
    from winning_identifiers as w
    where
        not exists (
            select 1
            from unfit_kinds as u
            where u.order_id = w.order_id and u.kind = w.kind
        )
),

identifiers as (
    select
        order_id,
        max(winner) filter (where kind = 'impact_click_id') as impact_click_id,
        max(winner) filter (where kind = 'trackdesk_cid') as trackdesk_cid,
        max(winner) filter (
            where kind = 'trackdesk_external_cid'
        ) as trackdesk_external_cid,
        max(winner) filter (
            where kind = 'idme_conversion_tracking_id'
        ) as idme_conversion_tracking_id,
        max(winner) filter (where kind = 'convert_visitor_id') as convert_visitor_id,
        max(winner) filter (where kind = 'custom_profile_id') as custom_profile_id
    from fit_identifiers
    group by order_id
),

-- A destination may count recent exposures only. So each variation keeps its time.
latest_exposures as (
    select
        o.order_id,
        b.experience_id,
        b.variation_id,
        max(b.bucketed_at) as last_at
    from distinct_orders as o
    left join identifiers as v on o.order_id = v.order_id
    inner join visitor_bucketing as b
        on coalesce(v.convert_visitor_id, o.visitor_id) = b.visitor_id
    where b.bucketed_at <= o.completed_at
    group by o.order_id, b.experience_id, b.variation_id
),

-- Two variations of one experience contradict each other, so neither is reported.
exposures as (
    select
        order_id,
        experience_id,
        min(variation_id) as variation_id,
        count(*) > 1 as contradicts
    from latest_exposures
    group by order_id, experience_id
),

refused_exposures as (
    select
        e.order_id,
        e.experience_id,
        e.variation_id,
        max(coalesce(r.bucketed_at, o.completed_at)) as refused_at
    from latest_exposures as e
    inner join distinct_orders as o on e.order_id = o.order_id
    left join identifiers as v on o.order_id = v.order_id
    inner join refused_visitor_bucketing as r
        on
            coalesce(v.convert_visitor_id, o.visitor_id) = r.visitor_id
            and e.experience_id = r.experience_id
    where
        coalesce(r.bucketed_at <= o.completed_at, true)
        and coalesce(r.variation_id <> e.variation_id, true)
    group by e.order_id, e.experience_id, e.variation_id
),

dated_exposures as (
    select
        e.order_id,
        list(
            {
                'experience_id': e.experience_id,
                'variation_id': e.variation_id,
                'last_at': e.last_at,
                'refused_at': r.refused_at
            }
            order by e.experience_id, e.variation_id
        ) as exposures
    from latest_exposures as e
    left join refused_exposures as r
        on
            e.order_id = r.order_id
            and e.experience_id = r.experience_id
            and e.variation_id = r.variation_id
    group by e.order_id
),

-- A refused exposure to the same variation changes nothing, whatever its time.
unfit_exposures as (
    select distinct
        o.order_id,
        r.experience_id,
        true as is_unfit
    from distinct_orders as o
    left join identifiers as v on o.order_id = v.order_id
    inner join refused_visitor_bucketing as r
        on coalesce(v.convert_visitor_id, o.visitor_id) = r.visitor_id
    left join exposures as e
        on o.order_id = e.order_id and r.experience_id = e.experience_id
    where
        r.experience_id is not null
        and coalesce(r.bucketed_at <= o.completed_at, true)
        and not coalesce(e.contradicts, false)
        and coalesce(r.variation_id <> e.variation_id, true)
),

all_exposures as (
    select
        e.variation_id,
        coalesce(e.order_id, u.order_id) as order_id,
        coalesce(e.experience_id, u.experience_id) as experience_id,
        coalesce(e.contradicts, false) as contradicts,
        coalesce(u.is_unfit, false) as is_unfit
    from exposures as e
    full join unfit_exposures as u
        on e.order_id = u.order_id and e.experience_id = u.experience_id
),

bucketing as (
    select
        order_id,
        list(
            { 'experience_id': experience_id, 'variation_id': variation_id }
            order by experience_id
        ) filter (where not contradicts and not is_unfit) as bucketing,
        list(
            experience_id order by experience_id
        ) filter (where contradicts) as bucketing_conflicts,
        list(
            experience_id order by experience_id
        ) filter (where is_unfit) as unfit_experiences
    from all_exposures
    group by order_id
),

-- Every id that Convert gave a visitor of the shop. The id may be stored for an order.
convert_ids as (
    select
        v.value,
        v.captured_at,
        coalesce(v.visitor_id, o.visitor_id) as visitor_id
    from visitor_identifiers as v
    left join staged_completed_orders as o on v.order_id = o.order_id
    where v.kind = 'convert_visitor_id'
),

-- Visitors whom Convert knows as two: the segments of the shop may be of either.
shared_visitors as (
    select o.order_id
    from distinct_orders as o
    inner join convert_ids as c on o.visitor_id = c.visitor_id
    where c.captured_at <= o.completed_at
    group by o.order_id
    having count(distinct c.value) > 1
),

-- The id that is sent first is the stronger one. Segments of two ids are never mixed.
segment_owners as (
    select
        order_id,
        convert_visitor_id as visitor_id,
        true as is_sent_first
    from identifiers
    where convert_visitor_id is not null
    union all
    select
        o.order_id,
        o.visitor_id,
        false as is_sent_first
    from distinct_orders as o
    where o.visitor_id is not null
),

stored_segments as (
    select
        o.order_id,
        w.is_sent_first,
        s.captured_at,
        {
            'browser': s.browser,
            'device': s.device,
            'source': s.source,
            'visitor_type': s.visitor_type,
            'country': s.country,
            'campaign': s.campaign,
            'custom_segments': s.custom_segments
        } as segments
    from distinct_orders as o
    inner join segment_owners as w on o.order_id = w.order_id
    inner join visitor_segments as s on w.visitor_id = s.visitor_id
    where s.captured_at <= o.completed_at
),

found_segments as (
    select
        order_id,
        max(is_sent_first) as is_sent_first,
        max_by(
            segments, row(is_sent_first, captured_at, segments)
        ) as segments
    from stored_segments
    group by order_id
),

segments as (
    select
        f.order_id,
        not f.is_sent_first and s.order_id is not null as is_shared,
        case
            when f.is_sent_first or s.order_id is null then f.segments
        end as segments
    from found_segments as f
    left join shared_visitors as s on f.order_id = s.order_id
),

facts as (
    select
        o.*,
        v.impact_click_id,
        v.trackdesk_cid,
        v.trackdesk_external_cid,
        v.idme_conversion_tracking_id,
        v.convert_visitor_id,
        v.custom_profile_id,
        s.segments,
        coalesce(i.items, []) as items,
        coalesce(b.bucketing, []) as bucketing,
        coalesce(b.bucketing_conflicts, []) as bucketing_conflicts,
        coalesce(x.exposures, []) as exposures,
        coalesce(u.unfit_identifiers, []) as unfit_identifiers,
        coalesce(b.unfit_experiences, []) as unfit_experiences
    from distinct_orders as o
    left join items as i on o.order_id = i.order_id
    left join identifiers as v on o.order_id = v.order_id
    left join unfit_identifiers as u on o.order_id = u.order_id
    left join bucketing as b on o.order_id = b.order_id
    left join dated_exposures as x on o.order_id = x.order_id
    left join segments as s on o.order_id = s.order_id
),

findings as (
    select
        o.order_id,
        i.items_subtotal,
        i.items_discount,
        i.imprecise_lines,
        i.mispriced_lines,
        coalesce(s.is_shared, false) as has_shared_segments,
        r.order_id is not null as has_refused_row,
        coalesce(i.repeats_line_no, false) as repeats_line_no,
        o.first_row <> o.last_row as contradicts,
        case when o.first_row <> o.last_row then o.last_row end as other_row,
        i.items is null
        and not getvariable('allow_orders_without_items') as lacks_items,
        i.items_subtotal
        - i.items_discount
        - o.first_row.discount
        - o.first_row.revenue as unexplained
    from orders as o
    left join items as i on o.order_id = i.order_id
    left join refused_rows as r on o.order_id = r.order_id
    left join segments as s on o.order_id = s.order_id
)

select
    f.*, -- noqa: AM04
    w.has_shared_segments,
    w.has_refused_row,
    w.contradicts,
    w.other_row,
    w.lacks_items,
    w.repeats_line_no,
    w.imprecise_lines,
    w.mispriced_lines,
    w.items_subtotal,
    w.items_discount,
    w.unexplained,
    sha256(cast(to_json(f) as varchar)) as source_hash -- noqa: RF02
from facts as f
inner join findings as w on f.order_id = w.order_id
order by f.order_id
