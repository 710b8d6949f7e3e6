"""Files for banks: approved payouts, in the formats that banks and payment providers read."""
