"""Work that starts by itself; the only home of the scheduler's library."""
