"""What an order must be for a destination: each reason code with what was expected.

Providers decide (`eligibility`) and planning decides; the words stand here once, and
`docs/data-rules.md` repeats them.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rule:
    """One reason for which a destination is told nothing, or something else.

    Attributes:
        reason: The code that is kept.
        columns: What is looked at, columns or settings.
        expected: What would let the order pass.
        providers: Whose rule it is; empty: everybody's.
    """

    reason: str
    columns: tuple[str, ...]
    expected: str
    providers: tuple[str, ...] = ()


SUPPRESSED = (
    Rule("destination_disabled", ("enabled",), "a destination that is switched on"),
    Rule("test_order", ("is_test",), "false"),
    Rule("consent_refused", ("tracking_consent",), "true, or unknown"),
    Rule("no_consent", ("tracking_consent",), "true, where `require_consent`"),
    Rule("too_old", ("completed_at",), "at most `max_age_days` ago"),
    Rule("order_gone", ("order_id",), "an order that the source still has"),
    Rule("reported_before", ("order_id",), "not reported under another event before"),
    Rule("event_changed", ("order_id",), "reported under the event of now"),
    Rule(
        "unfit_identifier",
        ("the identifiers that are sent",),
        "no refused row, and none of another visitor, that may be the one that counts",
    ),
    Rule(
        "currency_not_taken",
        ("currency",),
        "the project's currency; one of `currencies`",
        ("convert", "impact"),
    ),
    Rule(
        "no_click_id",
        ("impact_click_id", "trackdesk_cid"),
        "one captured at or before the order; at impact.com any of `attribution_keys`",
        ("impact", "trackdesk"),
    ),
    Rule(
        "no_external_cid",
        ("trackdesk_external_cid",),
        "one captured at or before the order",
        ("trackdesk",),
    ),
    Rule("no_coupon", ("promo_code",), "a coupon", ("trackdesk",)),
    Rule(
        "unreadable_identifier",
        ("trackdesk_cid",),
        "a cid, or the cookie that Trackdesk sets",
        ("trackdesk",),
    ),
    Rule("wrong_tenant", ("trackdesk_cid",), "a cookie of `tenant_id`", ("trackdesk",)),
    Rule(
        "no_visitor_id",
        ("convert_visitor_id", "visitor_id"),
        "one that is known at the time of the order",
        ("convert",),
    ),
    Rule(
        "no_bucketing",
        ("experience_id", "variation_id"),
        "an experience seen in one variation, at or before the order, "
        "or `send_without_bucketing`",
        ("convert",),
    ),
    Rule(
        "not_first_order",
        ("visitor_id",),
        "no other order of the visitor reported, where `first_order_only`",
        ("convert",),
    ),
    Rule(
        "no_tracking_id",
        ("idme_conversion_tracking_id",),
        "one captured at or before the order",
        ("idme",),
    ),
)

QUARANTINED = (
    Rule(
        "pii_in_payload",
        ("whatever is sent",),
        "no e-mail address; no number of a telephone or card but in ids of order and "
        "article",
    ),
    Rule("payload_error", ("whatever is sent",), "a request that can be built"),
    Rule(
        "amount_precision",
        ("revenue", "the amounts that are sent"),
        "no more decimals than the currency has; two at impact.com",
        ("convert", "idme", "impact", "trackdesk"),
    ),
    Rule("no_items", ("items",), "one line at least", ("impact",)),
    Rule("too_many_items", ("items",), "at most `max_items`", ("impact",)),
    Rule(
        "two_discounts",
        ("discount", "items.discount"),
        "on the order or on its lines, where `discount_level` is `one`",
        ("impact",),
    ),
    Rule(
        "body_too_large", ("whatever is sent",), "at most `max_body_bytes`", ("impact",)
    ),
    Rule("missing_order_id", ("order_id",), "a value that is not blank", ("impact",)),
    Rule("missing_sku", ("items.sku",), "a value that is not blank", ("impact",)),
    Rule(
        "too_long",
        ("ids and keys",),
        "as long as the field of the provider at most",
        ("impact",),
    ),
    Rule("pii_as_id", ("customer_id",), "no `@`", ("impact",)),
    Rule(
        "formula_as_id",
        ("order_id", "trackdesk_cid", "trackdesk_external_cid"),
        "none of `= + - @`, tab or line end in front, where `channel` is `csv`",
        ("trackdesk",),
    ),
    Rule("negative_amount", ("mapped amounts",), "0 or more", ("impact",)),
    Rule(
        "amount_too_large",
        ("mapped amounts",),
        "no more digits than the field of the provider takes",
        ("impact",),
    ),
    Rule(
        "unfit_field",
        ("mapped columns",),
        "what the field of the provider takes; `state_detail` names it",
        ("impact",),
    ),
)

DATA_ISSUES = (
    Rule(
        "bucketing_conflict",
        ("experience_id", "variation_id"),
        "one variation of each experience; an experience with two is left out",
    ),
    Rule(
        "unfit_exposure",
        ("experience_id", "variation_id", "bucketed_at"),
        "no refused row that may be the first of its experience or contradict it; "
        "the experience is left out",
    ),
    Rule(
        "unfit_identifier",
        ("kind", "order_id", "visitor_id"),
        "no refused row, and none of another visitor (`other_visitor`), that may be "
        "the one that counts; the kind is left out",
    ),
    Rule(
        "drift",
        ("whatever is sent",),
        "as it was when it was reported; nothing is sent again",
    ),
    Rule(
        "order_gone",
        ("order_id",),
        "an order that the source still has; nothing is taken back",
    ),
    Rule(
        "unknown_segment",
        ("browser", "device", "source", "visitor_type", "country"),
        "a value of Convert.com's closed list; another is left out",
        ("convert",),
    ),
    Rule(
        "value_cut",
        (
            "mapped columns",
            *("items.name", "items.category", "items.sub_category", "items.brand"),
        ),
        "short enough for its field at the provider; the rest is cut off",
        ("convert", "impact"),
    ),
)
