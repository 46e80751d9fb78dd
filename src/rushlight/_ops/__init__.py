"""The table of operations.  Each file of this package is one family; see define.py for the record."""
