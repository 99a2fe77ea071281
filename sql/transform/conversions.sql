-- One row per order with what was known of its visitor at that time.
--
-- Reads the five staged extracts as views of the same names, and the ids of orders of
-- which a row was refused as `refused_rows`. Rows with a non-empty
-- `quarantine_reasons` must not be sent. A visitor's row counts up to `completed_at`.
with orders as (
    select
        order_rows.order_id,
        min(order_rows) as first_row,
        min(order_rows) <> max(order_rows) as contradicts
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

items as (
    select
        l.order_id,
        list(l.item order by l.item) as items,
        sum(l.subtotal) - sum(l.discount) as items_revenue,
        count(*) > count(distinct l.line_no) as repeats_line_no,
        bool_or(
            l.subtotal % l.minor_unit <> 0 or l.discount % l.minor_unit <> 0
        ) as too_precise
    from order_lines as l
    group by l.order_id
),

-- A row that names an order belongs to that order alone; the others to the visitor.
known_identifiers as (
    select
        o.order_id,
        v.kind,
        v.value,
        row(true, v.captured_at, v.value) as strength
    from distinct_orders as o
    inner join visitor_identifiers as v on o.order_id = v.order_id
    where v.captured_at <= o.completed_at
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
        max_by(value, strength) as winner
    from known_identifiers
    group by order_id, kind
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
    from winning_identifiers
    group by order_id
),

-- Two variations of one experience contradict each other: neither is reported.
exposures as (
    select
        o.order_id,
        b.experience_id,
        min_by(b.variation_id, row(b.bucketed_at, b.variation_id)) as variation_id,
        count(distinct b.variation_id) > 1 as contradicts
    from distinct_orders as o
    left join identifiers as v on o.order_id = v.order_id
    inner join visitor_bucketing as b
        on coalesce(v.convert_visitor_id, o.visitor_id) = b.visitor_id
    where b.bucketed_at <= o.completed_at
    group by o.order_id, b.experience_id
),

bucketing as (
    select
        order_id,
        list(
            { 'experience_id': experience_id, 'variation_id': variation_id }
            order by experience_id
        ) filter (where not contradicts) as bucketing,
        list(
            experience_id order by experience_id
        ) filter (where contradicts) as bucketing_conflicts
    from exposures
    group by order_id
),

stored_segments as (
    select
        o.order_id,
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
    inner join visitor_segments as s on o.visitor_id = s.visitor_id
    where s.captured_at <= o.completed_at
),

segments as (
    select
        order_id,
        max_by(segments, row(captured_at, segments)) as segments
    from stored_segments
    group by order_id
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
        coalesce(b.bucketing_conflicts, []) as bucketing_conflicts
    from distinct_orders as o
    left join items as i on o.order_id = i.order_id
    left join identifiers as v on o.order_id = v.order_id
    left join bucketing as b on o.order_id = b.order_id
    left join segments as s on o.order_id = s.order_id
),

verdicts as (
    select
        o.order_id,
        case when r.order_id is not null then ['unfit_row'] else [] end
        || case when o.contradicts then ['conflicting_rows'] else [] end
        || case when i.repeats_line_no then ['conflicting_items'] else [] end
        || case when i.too_precise then ['amount_precision'] else [] end
        || case
            when i.items_revenue - o.first_row.discount <> o.first_row.revenue
                then ['money_mismatch']
            when i.items is null and not getvariable('allow_orders_without_items')
                then ['no_items']
            else []
        end as quarantine_reasons
    from orders as o
    left join items as i on o.order_id = i.order_id
    left join refused_rows as r on o.order_id = r.order_id
)

select
    f.*, -- noqa: AM04
    v.quarantine_reasons,
    sha256(cast(to_json(f) as varchar)) as source_hash -- noqa: RF02
from facts as f
inner join verdicts as v on f.order_id = v.order_id
order by f.order_id
