"""What the pages show, as plain values: nothing in here draws."""
