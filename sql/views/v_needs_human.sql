-- Which deliveries wait for a person, and since when?
-- One row per delivery that no run will finish by itself.
create view v_needs_human as
select
    delivery_id,
    destination,
    provider,
    order_id,
    order_date,
    state,
    state_reason as reason,
    state_detail as detail,
    currency,
    attempts,
    last_sent_at,
    updated_at as waiting_since,
    round(
        amount_minor * 1.0
        / case currency_digits
            when 0 then 1 when 3 then 1000 when 4 then 10000 else 100
        end,
        4
    ) as amount
from delivery
where
    state in ('uncertain', 'exhausted', 'rejected')
    or (state = 'duplicate' and state_reason = 'foreign')
    or (state = 'queued' and state_reason = 'queued_without_ref')
