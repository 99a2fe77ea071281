"""ID.me: how the replies of an address look that ID.me gave.

Nothing is published (`idme.md`, section 5), so only the status is held against the
general table.
"""

from assets.providers.shapes import ANYTHING, ON_THE_WAY, Replies

_GENERAL = (200, 201, 202, 204, 400, 401, 403, 404, 409, 415, 422)

REPLIES: Replies = {"POST {endpoint_url}": {(*_GENERAL, *ON_THE_WAY): ANYTHING}}
