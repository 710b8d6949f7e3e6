"""What `verify` proves of finance beside the book itself."""

from commission_engine.finance.reconcile import prove as reconcile
from commission_engine.verify import Part

PROOFS: tuple[Part, ...] = (("bank files", reconcile.faults),)
"""Each part by the name that is shown while it is proved."""
