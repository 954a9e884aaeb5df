"""Pictures: crystals, sparklines, charts."""
