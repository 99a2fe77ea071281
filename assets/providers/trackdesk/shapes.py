"""Trackdesk: the documented shapes of its replies.

No body is published (`trackdesk.md`, section 5), so only the status is compared: 2xx,
refusals, and statuses that ask for a retry.
"""

from assets.providers.shapes import (
    ANYTHING,
    INTERMEDIARY_STATUSES,
    ShapesByRequest,
    ShapesByStatus,
)

_UNPUBLISHED: ShapesByStatus = {
    (
        200,
        201,
        202,
        204,
        400,
        401,
        403,
        404,
        409,
        415,
        422,
        *INTERMEDIARY_STATUSES,
    ): ANYTHING
}

REPLY_SHAPES: ShapesByRequest = {
    "POST /tracking/conversion/v1": _UNPUBLISHED,
    "POST /tracking/external-cid/v1": _UNPUBLISHED,
}
