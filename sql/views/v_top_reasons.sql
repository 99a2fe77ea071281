-- Why are orders not delivered, and how much money is that?
-- One row per destination, state, reason and currency. Sort it by orders.
create view v_top_reasons as
select
    destination,
    provider,
    state,
    coalesce(state_reason, '?') as reason,
    currency,
    count(*) as orders,
    round(
        sum(amount_minor) * 1.0
        / case max(currency_digits)
            when 0 then 1 when 3 then 1000 when 4 then 10000 else 100
        end,
        4
    ) as amount,
    min(order_date) as first_order_date,
    max(order_date) as last_order_date
from delivery
where state in ('rejected', 'quarantined', 'suppressed', 'exhausted', 'uncertain')
group by destination, provider, state, coalesce(state_reason, '?'), currency
