"""Tables of real data that ship with the package, one module a source; see each module for origin and licence."""
