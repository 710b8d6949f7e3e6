"""What the book holds, as files for finance: complete, described, and proved from the disk."""
