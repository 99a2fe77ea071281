"""What a person decides about deliveries: resolve, declare, recover.

Each decision is recorded with a name and a reason. What a run decides by itself belongs
in `delivery`.
"""
