"""Tax facts: what was paid to whom in a year, whose documents there are, invoices without gaps.
Data and exports; no forms, and no advice.
"""
