"""The web portal: pages for affiliates and for the staff, over a book that it only reads."""
