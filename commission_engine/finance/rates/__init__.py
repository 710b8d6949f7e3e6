"""Exchange rates, and who is paid in which currency."""
