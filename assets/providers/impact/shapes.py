"""impact.com: the documented shapes of its replies.

Sources: `impact-conversions-reference.txt` ("Example response"); `impact.md`, sections
4 (replies, in both spellings of `errors`) and 6 (submissions).
"""

from assets.providers.shapes import (
    ANYTHING,
    INTERMEDIARY_STATUSES,
    NULL,
    NUMBER,
    TEXT,
    OneOf,
    Shape,
    ShapesByRequest,
)

_ERRORS: Shape = [{"field": TEXT | NULL, "level": TEXT, "message": TEXT}]
_REFUSED = (401, 402, 403, 404, 405, 406, 410, 415)
_ID = TEXT | NUMBER | NULL

REPLY_SHAPES: ShapesByRequest = {
    "POST /Advertisers/{account_sid}/Conversions": {
        (200, 201): {
            "Status": OneOf(("QUEUED", "OK", "ERROR")),
            "QueuedUri": TEXT,
            "Uri": TEXT,
            "Message": TEXT,
            "errors": _ERRORS,
            "warnings": _ERRORS,
        },
        (400,): {"Status": OneOf(("ERROR",)), "Message": TEXT, "errors": _ERRORS},
        (*_REFUSED, *INTERMEDIARY_STATUSES): ANYTHING,
    },
    "GET /Advertisers/{account_sid}/APISubmissions/{submission_id}": {
        (200,): {
            "Status": OneOf(("Queued", "In Progress", "Complete")),
            "Type": OneOf(("Conversion", "Modification", "Reversal")),
            **dict.fromkeys(("BatchId", "AccountId", "CampaignId", "OrderId"), _ID),
            **dict.fromkeys(("ActionTrackerId", "MediaPartnerId", "EventCode"), _ID),
            **dict.fromkeys(("SubmissionDate", "CompletionDate"), TEXT | NULL),
            **dict.fromkeys(("ErrorType", "ErrorReason", "Uri"), TEXT | NULL),
            "Payload": ANYTHING,
        },
        (*_REFUSED, *INTERMEDIARY_STATUSES): ANYTHING,
    },
}
