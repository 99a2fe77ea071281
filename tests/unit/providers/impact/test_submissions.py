"""impact.com: how a queued submission ends."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from assets.providers.replies import Outcome, Phase, Reply, Verdict
from support.impact_account import HTML, answer, impact

Make = Callable[..., Any]


def settled(reply: Reply, order_id: str = "O1") -> Outcome | None:
    """What becomes of a queued submission that is answered so."""
    settlement = impact().settlement("A-5f2b", order_id)
    next(settlement)
    with pytest.raises(StopIteration) as end:
        settlement.send(reply)
    return end.value.value


def complete(reason: Any = "", kind: Any = "", order_id: Any = "O1") -> Reply:
    return answer(
        200,
        {
            "Status": "Complete",
            "OrderId": order_id,
            "ErrorType": kind,
            "ErrorReason": reason,
        },
    )


@pytest.mark.parametrize(
    ("reply", "verdict", "reason", "detail"),
    [
        (complete(), "settled", None, None),
        (complete(None, None), "settled", None, None),
        (complete(order_id=None), "settled", None, None),
        (complete("CONV_DUPLICATE"), "duplicate", "conv_duplicate", "CONV_DUPLICATE"),
        (
            complete("NO_ITEM CONV_DUPLICATE"),
            "duplicate",
            "conv_duplicate",
            "NO_ITEM CONV_DUPLICATE",
        ),
        (
            complete("CONTRACT_NOT_FOUND RESTRICTED_PROMOCODE", "Contract Error"),
            "rejected",
            "contract_not_found",
            "CONTRACT_NOT_FOUND RESTRICTED_PROMOCODE",
        ),
        (
            complete("CONTRACT_NOT_FOUND,RESTRICTED_PROMOCODE"),
            "rejected",
            "contract_not_found",
            "CONTRACT_NOT_FOUND RESTRICTED_PROMOCODE",
        ),
        (
            complete(" CONV_DUPLICATE, X"),
            "duplicate",
            "conv_duplicate",
            "CONV_DUPLICATE X",
        ),
        (
            complete("X;CONV_DUPLICATE"),
            "duplicate",
            "conv_duplicate",
            "X CONV_DUPLICATE",
        ),
        (complete("", "Validation"), "rejected", "validation", "Validation"),
        (
            complete("", "Contract Error"),
            "rejected",
            "unknown_reason",
            "Contract Error",
        ),
        (
            complete("NEW_CODE NO_ITEM"),
            "rejected",
            "unknown_reason",
            "NEW_CODE NO_ITEM",
        ),
        (complete(order_id="O2"), "uncertain", "wrong_order_in_submission", None),
        (
            answer(200, {"Status": "Queued", "OrderId": "O2"}),
            "uncertain",
            "wrong_order_in_submission",
            None,
        ),
        (answer(404), "uncertain", "submission_not_found", None),
        (answer(401), "configuration", "http_401", None),
        (answer(403, HTML), "configuration", "http_403", None),
        (answer(302), "configuration", "http_302", None),
    ],
)
def test_how_a_submission_ends(
    reply: Reply, verdict: str, reason: str | None, detail: str | None
) -> None:
    outcome = settled(reply)
    assert outcome is not None
    assert (outcome.verdict, outcome.reason, outcome.detail) == (
        verdict,
        reason,
        detail,
    )


@pytest.mark.parametrize(
    "reply",
    [
        answer(200, {"Status": "Queued", "OrderId": "O1"}),
        answer(200, {"Status": "In Progress", "OrderId": None}),
        answer(200, {"Status": "running"}),
        answer(200, {}),
        answer(200, []),
        answer(200, HTML),
        answer(200, b'{"Status": "Comp'),
        complete(reason=["NO_ITEM"]),
        complete(kind=7),
        answer(204),
        answer(400),
        answer(404, HTML),
        answer(429),
        answer(500),
        answer(503),
        Reply(phase=Phase.CONNECTING),
        Reply(phase=Phase.READING, status=200, body=b'{"Status":"Complete"}'),
        Reply(phase=Phase.DONE),
    ],
)
def test_a_submission_without_an_end_is_asked_for_again(reply: Reply) -> None:
    assert settled(reply) is None


PUBLISHED = {
    "not attributed": """ACTION_REF_NOT_FOUND NO_VALID_ACTION_REF
        CREDITING_RULE_MISMATCH OTHER_REF_PRIORITIZED OUTSIDE_ASSOCIATION_WINDOW
        CONTRACT_NOT_FOUND ACTIONTERMS_NOT_FOUND PARTNER_NOT_ACTIVE
        REFTYPE_NOT_ACCEPTED RESTRICTED_PROMOCODE BLOCKED_BY_PROMOCODE
        MAX_RECURRENCES_REACHED BLACKLISTED_SOURCE_IP UNCLAIMED""",
    "configuration": """CAMPAIGN_NOT_FOUND ACTIONTRACKER_NOT_FOUND
        ACTIONTRACKER_NOT_ACTIVE ACTIONTRACKER_CAMPAIGN_MISMATCH""",
    "bad data": "VALIDATION MALFORMED CONV_MALFORMED NO_ITEM OID_MISSING",
}


@pytest.mark.parametrize(
    ("kind", "code"),
    [(kind, code) for kind, codes in PUBLISHED.items() for code in codes.split()],
)
def test_every_published_code_is_the_reason(kind: str, code: str) -> None:
    outcome = settled(complete(code))
    assert outcome is not None
    assert (outcome.verdict, outcome.reason) == (Verdict.REJECTED, code.lower())
    assert (outcome.reason in impact().alarms) == (kind == "configuration")


@pytest.mark.parametrize("status", ["Complete", "Queued"])
@pytest.mark.parametrize(
    "told",
    [
        {"BatchId": "A-9999"},
        {"BatchId": "A-9999", "OrderId": None},
        {"BatchId": "A-9999", "OrderId": ""},
        {"OrderId": "O1", "Type": "Reversal"},
        {"OrderId": "O1", "Type": "Modification"},
        {"BatchId": "A-5f2b", "Type": "Reversal"},
    ],
)
def test_another_submission_settles_nothing_and_is_an_alarm(
    status: str, told: dict[str, Any]
) -> None:
    outcome = settled(answer(200, {"Status": status} | told))
    assert outcome is not None
    assert (outcome.verdict, outcome.reason) == ("uncertain", "wrong_submission")
    assert outcome.reason in impact().alarms


@pytest.mark.parametrize(
    "told",
    [
        {},
        {"BatchId": "A-5f2b", "OrderId": None, "Type": "Conversion"},
        {"BatchId": "5f2b", "OrderId": "O1", "Type": "CONVERSION"},
        {"BatchId": None, "OrderId": "", "Type": ""},
    ],
)
def test_our_submission_is_known_by_its_order_or_by_its_id(
    told: dict[str, Any],
) -> None:
    outcome = settled(answer(200, {"Status": "Complete"} | told))
    assert outcome is not None
    assert outcome.verdict is Verdict.SETTLED


def test_another_order_in_a_submission_is_an_alarm() -> None:
    outcome = settled(complete(order_id="O2"))
    assert outcome is not None
    assert outcome.reason in impact().alarms


def test_what_is_kept_of_a_submission_does_not_repeat_the_order() -> None:
    said = {"Status": "Complete", "Payload": {"CustomerPostCode": "93101"}}
    shown = impact().storable_body(answer(200, said))
    assert json.loads(shown) == {"Status": "Complete"}
    assert impact().storable_body(
        answer(200, {"payload": "93101", "OrderId": "O1"})
    ) == (b'{"OrderId": "O1"}')


@pytest.mark.parametrize("body", [HTML, b"", b"[1]", b'{"Status": "ERROR"}'])
def test_another_answer_about_a_submission_is_kept_whole(body: bytes) -> None:
    assert impact().storable_body(answer(200, body)) == body


def test_half_an_answer_that_repeats_the_order_is_not_kept() -> None:
    half = b'{"Status": "Complete", "Payload": {"CustomerPostCode": "931'
    assert impact().storable_body(answer(200, half)) == b""
