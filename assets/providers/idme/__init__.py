"""ID.me: the requests of a conversion, and the meaning of their replies.

What all providers share belongs in `assets.providers`. Nothing here knows another
provider.
"""
