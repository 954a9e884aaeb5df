"""The virtual instruments, each a device of the instrument profile around one hidden truth."""
