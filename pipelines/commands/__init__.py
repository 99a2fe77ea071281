"""What each command of `attribution` does: read options, call, print, exit."""
