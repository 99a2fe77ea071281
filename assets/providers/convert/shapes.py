"""Convert.com: how its replies look.

Source: `convert.md`, section 6. No outcome rests on the body of a success, which may be
empty as well.
"""

from assets.providers.shapes import (
    ANYTHING,
    EMPTY,
    NULL,
    NUMBER,
    ON_THE_WAY,
    TEXT,
    Answers,
    Replies,
    Shape,
)

_SAID: Shape = {"code": NUMBER, "message": TEXT}
_REFUSED: Shape = {"code": NUMBER, "message": TEXT, "fields": TEXT | NULL}
_TRACK: Answers = {
    (200, 201, 202, 204): (EMPTY, _SAID),
    (400, 401, 403, 404, 405, 413, 415, 422): (EMPTY, _REFUSED),
    ON_THE_WAY: ANYTHING,
}

REPLIES: Replies = {
    "POST /v1/track/{account_id}/{project_id}": _TRACK,
    "POST /v1/track/{sdk_key}": _TRACK,
}
