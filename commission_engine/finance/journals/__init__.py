"""The journal as other ledgers take it: Beancount, hledger, Xero, QuickBooks."""
