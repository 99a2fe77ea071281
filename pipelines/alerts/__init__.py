"""Who is told when something needs a person: rules, texts, channels, the sensors.

The figures that the rules judge come from `assets.figures`.
"""
