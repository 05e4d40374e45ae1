"""One thin file per command; what they share is about terminals and processes, never about ticks."""
