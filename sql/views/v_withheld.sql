-- Which orders are not sent to each destination, by which rule and on what evidence?
-- One row per suppressed or quarantined delivery. Every run of its partition decides
-- again.
create view v_withheld as
select
    delivery_id,
    destination,
    provider,
    order_id,
    order_at,
    order_date,
    partition_key,
    state,
    state_reason as reason,
    state_detail as evidence,
    currency,
    updated_at as decided_at,
    round(
        amount_minor * 1.0
        / case currency_digits
            when 0 then 1 when 3 then 1000 when 4 then 10000 else 100
        end,
        4
    ) as amount
from delivery
where state in ('suppressed', 'quarantined')
