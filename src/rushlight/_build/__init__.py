"""Builds rushlight: renders the table of operations to C and stubs, compiles, links. Nothing here runs at import."""
