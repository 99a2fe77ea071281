"""What an order must be for a destination: each reason code with what was expected.

The provider modules (`eligibility`) and the planner apply these rules. The texts are
written here once; `docs/data-rules.md` is generated from them.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rule:
    """One reason why an order is not sent, or is sent otherwise than it is stored.

    Attributes:
        reason: The code that is kept.
        columns: What is looked at, columns or settings.
        expected: What would let the order pass.
        providers: The providers that have the rule; empty: all of them.
    """

    reason: str
    columns: tuple[str, ...]
    expected: str
    providers: tuple[str, ...] = ()


SUPPRESSED = (
    Rule("destination_disabled", ("enabled",), "true"),
    Rule("test_order", ("is_test",), "false"),
    Rule("consent_refused", ("tracking_consent",), "true or unknown"),
    Rule("no_consent", ("tracking_consent",), "true, if `require_consent` is true"),
    Rule("too_old", ("completed_at",), "at most `max_age_days` ago"),
    Rule(
        "zero_amount",
        ("revenue", "total"),
        "an amount above 0, if `zero_amount` is `suppress`; `total` at Trackdesk with "
        "`amount` `total`, else `revenue`",
    ),
    Rule("order_gone", ("order_id",), "an order that the source returns"),
    Rule("reported_before", ("order_id",), "no report under another event"),
    Rule("event_changed", ("order_id",), "a delivery of the configured event"),
    Rule(
        "unfit_identifier",
        ("the identifiers that are sent",),
        "no refused row, and no row of another visitor, that may be the row that "
        "counts",
    ),
    Rule(
        "currency_not_taken",
        ("currency",),
        "the project's `currency` at Convert.com; one of `currencies` at impact.com",
        ("convert", "impact"),
    ),
    Rule(
        "no_click_id",
        ("impact_click_id", "trackdesk_cid"),
        "an identifier captured at or before the order; at impact.com any of "
        "`attribution_keys`",
        ("impact", "trackdesk"),
    ),
    Rule(
        "no_external_cid",
        ("trackdesk_external_cid",),
        "an identifier captured at or before the order",
        ("trackdesk",),
    ),
    Rule("no_coupon", ("promo_code",), "a coupon", ("trackdesk",)),
    Rule(
        "unreadable_identifier",
        ("trackdesk_cid",),
        "a cid, or the cookie that Trackdesk sets",
        ("trackdesk",),
    ),
    Rule(
        "wrong_tenant",
        ("trackdesk_cid",),
        "a cookie of the configured `tenant_id`",
        ("trackdesk",),
    ),
    Rule(
        "no_visitor_id",
        ("convert_visitor_id", "visitor_id"),
        "an id that is known at the time of the order",
        ("convert",),
    ),
    Rule(
        "no_bucketing",
        ("experience_id", "variation_id"),
        "an experience seen in exactly one variation at or before the order, at most "
        "`exposure_max_age_days` before it, or the setting `send_without_bucketing`",
        ("convert",),
    ),
    Rule(
        "not_first_order",
        ("visitor_id",),
        "no other reported order of the visitor, if `first_order_only` is true",
        ("convert",),
    ),
    Rule(
        "no_tracking_id",
        ("idme_conversion_tracking_id",),
        "an identifier captured at or before the order",
        ("idme",),
    ),
)

QUARANTINED = (
    Rule(
        "pii_in_payload",
        ("all values that are sent",),
        "no e-mail address, and no telephone or card number; only ids of orders and "
        "articles may look like such a number",
    ),
    Rule(
        "payload_error",
        ("all values that are sent",),
        "values from which a request can be built",
    ),
    Rule(
        "amount_precision",
        ("revenue", "the amounts that are sent"),
        "no more decimals than the currency has; at impact.com at most two",
        ("convert", "idme", "impact", "trackdesk"),
    ),
    Rule("no_items", ("items",), "at least one line", ("impact",)),
    Rule("too_many_items", ("items",), "at most `max_items`", ("impact",)),
    Rule(
        "two_discounts",
        ("discount", "items.discount"),
        "on the order or on its lines, not on both, if `discount_level` is `one`",
        ("impact",),
    ),
    Rule("body_too_large", ("the request",), "at most `max_body_bytes`", ("impact",)),
    Rule("missing_order_id", ("order_id",), "a value that is not blank", ("impact",)),
    Rule("missing_sku", ("items.sku",), "a value that is not blank", ("impact",)),
    Rule(
        "too_long",
        ("ids and keys",),
        "at most as long as the provider's field",
        ("impact",),
    ),
    Rule("pii_as_id", ("customer_id",), "no `@`", ("impact",)),
    Rule(
        "formula_as_id",
        ("order_id", "trackdesk_cid", "trackdesk_external_cid", "conversionTypeCode"),
        "not beginning with `= + - @`, tab or line end, if `channel` is `csv`",
        ("trackdesk",),
    ),
    Rule("negative_amount", ("mapped amounts",), "0 or more", ("impact",)),
    Rule(
        "amount_too_large",
        ("mapped amounts",),
        "no more digits than the provider's field takes",
        ("impact",),
    ),
    Rule(
        "unfit_field",
        ("mapped columns",),
        "a value that the provider's field takes; `state_detail` names the field",
        ("impact", "trackdesk"),
    ),
)

DATA_ISSUES = (
    Rule(
        "bucketing_conflict",
        ("experience_id", "variation_id"),
        "one variation per experience; an experience with two is left out",
    ),
    Rule(
        "unfit_exposure",
        ("experience_id", "variation_id", "bucketed_at"),
        "no refused row that may be the first exposure to the experience or contradict "
        "it; the experience is left out",
    ),
    Rule(
        "unfit_identifier",
        ("kind", "order_id", "visitor_id"),
        "no refused row, and no row of another visitor (`other_visitor`), that may be "
        "the row that counts; the identifier is left out",
    ),
    Rule(
        "orphan_identifiers",
        ("order_id", "visitor_id"),
        "rows of identifiers, exposures and segments that name an order or visitor of "
        "the day, byte by byte; others are counted by kind",
    ),
    Rule(
        "shared_segments",
        ("visitor_id", "convert_visitor_id"),
        "one Convert visitor per visitor of the shop; with two, segments stored under "
        "the shop's id may be of either and are left out",
    ),
    Rule(
        "drift",
        ("all values that are sent",),
        "the values that were reported; a changed order is not sent again",
    ),
    Rule(
        "order_gone",
        ("order_id",),
        "an order that the source returns; nothing is taken back at the provider",
    ),
    Rule(
        "unknown_segment",
        ("browser", "device", "source", "visitor_type", "country"),
        "a value of Convert.com's closed lists; any other value is left out",
        ("convert",),
    ),
    Rule(
        "placeholder_value",
        (
            "mapped attribution keys",
            *("customerId", "status", "conversionTypeCode", "promo_code"),
            "mapped hashes",
        ),
        "no placeholder for an unknown value, and no hash of one or of nothing; it is "
        "left out",
    ),
    Rule(
        "value_cut",
        (
            "mapped columns",
            *("items.name", "items.category", "items.sub_category", "items.brand"),
        ),
        "at most as long as the provider's field; the rest is cut off",
        ("convert", "impact"),
    ),
)
