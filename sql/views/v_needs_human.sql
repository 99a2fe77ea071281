-- Which deliveries wait for a person, and since when?
-- One row per delivery that no run finishes by itself, and one per drift: an order that
-- changed after it was reported.
create view v_needs_human as
with waiting as (
    select
        delivery_id,
        state_reason as reason,
        state_detail as detail,
        updated_at as waiting_since
    from delivery
    where
        state = 'exhausted'
        or (
            state = 'uncertain'
            and (next_attempt_at is null or accepted_at is not null)
        )
        or (state = 'duplicate' and state_reason = 'foreign')
        or (state = 'queued' and state_reason = 'queued_without_ref')
    union all
    select
        d.delivery_id,
        i.code as reason,
        i.detail,
        i.first_seen as waiting_since
    from data_issue as i
    inner join delivery as d
        on i.order_id = d.order_id and i.destination = d.destination
    where i.code = 'drift'
)

select
    d.delivery_id,
    d.destination,
    d.provider,
    d.order_id,
    d.order_date,
    d.partition_key,
    d.state,
    w.reason,
    w.detail,
    d.currency,
    d.attempts,
    d.last_sent_at,
    w.waiting_since,
    round(
        d.amount_minor * 1.0
        / case d.currency_digits
            when 0 then 1 when 3 then 1000 when 4 then 10000 else 100
        end,
        4
    ) as amount
from waiting as w
inner join delivery as d on w.delivery_id = d.delivery_id
