"""ID.me: the documented shapes of its replies.

Nothing is published (`idme.md`, section 5), so only the status is compared with the
general table.
"""

from assets.providers.shapes import ANYTHING, INTERMEDIARY_STATUSES, ShapesByRequest

_GENERAL = (200, 201, 202, 204, 400, 401, 403, 404, 409, 415, 422)

REPLY_SHAPES: ShapesByRequest = {
    "POST {endpoint_url}": {(*_GENERAL, *INTERMEDIARY_STATUSES): ANYTHING}
}
