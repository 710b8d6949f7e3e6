"""What finance does with the book: exports, journals for other ledgers, files for banks, what banks
say in return, and the end of a month. Nothing here computes a commission."""
