"""The commands of `attribution`: each reads its options, calls the code, prints, exits.

What a command does belongs in the package that it calls.
"""
