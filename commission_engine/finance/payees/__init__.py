"""To whom payouts go: bank details of affiliates, imported, judged and kept sealed."""
