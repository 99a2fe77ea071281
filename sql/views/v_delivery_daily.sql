-- How many orders of each day did each destination get, and how much money is that?
-- One row per order date, destination and currency. Money in units of the currency.
create view v_delivery_daily as
select
    order_date,
    destination,
    provider,
    currency,
    count(*) as orders,
    sum(
        case when state in ('accepted', 'settled', 'duplicate') then 1 else 0 end
    ) as delivered,
    sum(case when state = 'queued' then 1 else 0 end) as queued,
    sum(case when state = 'staged' then 1 else 0 end) as staged,
    sum(
        case when state in ('pending', 'sending', 'retryable') then 1 else 0 end
    ) as unfinished,
    sum(case when state = 'uncertain' then 1 else 0 end) as uncertain,
    sum(
        case when state in ('rejected', 'exhausted') then 1 else 0 end
    ) as refused,
    sum(case when state = 'suppressed' then 1 else 0 end) as suppressed,
    sum(case when state = 'quarantined' then 1 else 0 end) as quarantined,
    round(
        sum(
            case
                when state in ('accepted', 'settled', 'duplicate') then 100.0 else 0
            end
        )
        / nullif(
            sum(
                case when state in ('suppressed', 'quarantined') then 0 else 1 end
            ),
            0
        ),
        2
    ) as delivered_pct,
    round(
        sum(amount_minor) * 1.0
        / case max(currency_digits)
            when 0 then 1 when 3 then 1000 when 4 then 10000 else 100
        end,
        4
    ) as amount,
    round(
        sum(
            case
                when state in ('accepted', 'settled', 'duplicate') then amount_minor
                else 0
            end
        ) * 1.0
        / case max(currency_digits)
            when 0 then 1 when 3 then 1000 when 4 then 10000 else 100
        end,
        4
    ) as amount_delivered
from delivery
-- Another delivery of the same order replaces these.
where coalesce(state_reason, '') not in ('event_changed', 'reported_before')
group by order_date, destination, provider, currency
