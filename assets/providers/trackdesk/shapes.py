"""Trackdesk: how its replies look.

No body is published (`trackdesk.md`, section 5), so only the status is held against
what is known: any 2xx, refusals, and what asks to come back.
"""

from assets.providers.shapes import ANYTHING, ON_THE_WAY, Answers, Replies

_UNPUBLISHED: Answers = {
    (200, 201, 202, 204, 400, 401, 403, 404, 409, 415, 422, *ON_THE_WAY): ANYTHING
}

REPLIES: Replies = {
    "POST /tracking/conversion/v1": _UNPUBLISHED,
    "POST /tracking/external-cid/v1": _UNPUBLISHED,
}
