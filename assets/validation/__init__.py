"""What a row of an extract must be: schemas, coercion, checks, refused rows.

What an order must be, once its rows are joined, belongs in `joining`.
"""
