"""Convert.com: the documented shapes of its replies.

Source: `convert.md`, section 6. No outcome depends on the body of a success, which may
be empty.
"""

from assets.providers.shapes import (
    ANYTHING,
    EMPTY,
    INTERMEDIARY_STATUSES,
    NULL,
    NUMBER,
    TEXT,
    Shape,
    ShapesByRequest,
    ShapesByStatus,
)

_SUCCESS_BODY: Shape = {"code": NUMBER, "message": TEXT}
_ERROR_BODY: Shape = {"code": NUMBER, "message": TEXT, "fields": TEXT | NULL}
_TRACK: ShapesByStatus = {
    (200, 201, 202, 204): (EMPTY, _SUCCESS_BODY),
    (400, 401, 403, 404, 405, 413, 415, 422): (EMPTY, _ERROR_BODY),
    INTERMEDIARY_STATUSES: ANYTHING,
}

REPLY_SHAPES: ShapesByRequest = {
    "POST /v1/track/{account_id}/{project_id}": _TRACK,
    "POST /v1/track/{sdk_key}": _TRACK,
}
