"""What counts as personal data, in values and in column names.

It only recognises. Who refuses or redacts a value is for the caller to say.
"""
