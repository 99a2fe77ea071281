-- Which reported orders are missing from the source, and since when?
-- One row per delivery that may have to be reversed at its provider: the order was
-- cancelled, refunded or deleted after it was reported. No run reverses anything.
create view v_needs_reversal as
select
    d.delivery_id,
    d.destination,
    d.provider,
    d.order_id,
    d.order_date,
    d.partition_key,
    d.state,
    d.provider_ref,
    d.currency,
    d.last_sent_at,
    d.accepted_at,
    i.first_seen as gone_since,
    round(
        d.amount_minor * 1.0
        / case d.currency_digits
            when 0 then 1 when 3 then 1000 when 4 then 10000 else 100
        end,
        4
    ) as amount
from data_issue as i
inner join delivery as d
    on
        i.order_id = d.order_id
        and i.destination = d.destination
        -- An order that moved to another day is not missing.
        and i.partition_key = d.partition_key
where
    i.code = 'order_gone'
    and d.state in ('accepted', 'settled', 'duplicate', 'queued')
