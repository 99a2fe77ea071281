-- When the database's offset of a zone from UTC changes, hour by hour.
with hours as (
    select h.instant
    from
        generate_series(
            cast(:first as timestamptz), cast(:last as timestamptz), interval '1 hour'
        ) as h (instant)
),

offsets as (
    select
        h.instant,
        extract(epoch from h.instant at time zone :zone)
        - extract(epoch from h.instant) as seconds
    from hours as h
),

compared as (
    select
        o.instant,
        o.seconds,
        lag(o.seconds) over (order by o.instant) as seconds_before
    from offsets as o
)

select
    c.instant,
    c.seconds
from compared as c
where c.seconds_before is null or c.seconds_before <> c.seconds
order by c.instant
