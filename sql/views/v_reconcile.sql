-- Do the orders of the source and the deliveries agree? never_seen must be 0.
-- One row per partition, destination and currency. `source_total` has the counts of the
-- last extraction of the partition, independent of the deliveries.
create view v_reconcile as
with exported as (
    select distinct
        partition_key,
        destination
    from export_run
),

made as (
    select
        partition_key,
        destination,
        coalesce(currency, '') as currency,
        count(distinct order_id) as deliveries,
        sum(
            case when state in ('accepted', 'settled', 'duplicate') then 1 else 0 end
        ) as delivered,
        sum(case when state = 'uncertain' then 1 else 0 end) as uncertain,
        sum(
            case when state in ('pending', 'sending', 'retryable') then 1 else 0 end
        ) as unfinished,
        sum(coalesce(amount_minor, 0)) as amount_minor,
        sum(
            case
                when state in ('accepted', 'settled', 'duplicate')
                    then coalesce(amount_minor, 0)
                else 0
            end
        ) as delivered_minor
    from delivery
    -- Orders missing from the source are not in its totals either.
    where
        coalesce(state_reason, '') not in (
            'event_changed', 'order_gone', 'reported_before'
        )
        and not exists (
            select 1
            from data_issue as i
            where
                i.code = 'order_gone'
                and i.order_id = delivery.order_id
                and i.destination = delivery.destination
                and i.partition_key = delivery.partition_key
        )
    group by partition_key, destination, coalesce(currency, '')
)

select
    s.partition_key,
    r.destination,
    s.currency,
    s.orders,
    s.orders - coalesce(d.deliveries, 0) as never_seen,
    coalesce(d.delivered, 0) as delivered,
    coalesce(d.uncertain, 0) as uncertain,
    coalesce(d.unfinished, 0) as unfinished,
    round(
        (s.amount_minor - coalesce(d.amount_minor, 0)) * 1.0
        / case s.currency_digits
            when 0 then 1 when 3 then 1000 when 4 then 10000 else 100
        end,
        4
    ) as money_never_seen,
    round(
        (s.amount_minor - coalesce(d.delivered_minor, 0)) * 1.0
        / case s.currency_digits
            when 0 then 1 when 3 then 1000 when 4 then 10000 else 100
        end,
        4
    ) as money_not_delivered
from source_total as s
inner join exported as r on s.partition_key = r.partition_key
left join made as d
    on
        s.partition_key = d.partition_key
        and r.destination = d.destination
        and s.currency = d.currency
