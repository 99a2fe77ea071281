"""What counts as personal data, in values and in column names.

It recognises personal data. Callers decide whether to refuse or to redact a value.
"""
