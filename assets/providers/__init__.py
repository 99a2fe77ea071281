"""One module per provider: payloads out, meaning of replies in. Pure code."""
