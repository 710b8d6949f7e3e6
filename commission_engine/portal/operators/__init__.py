"""Pages for those who run the nights: runs, refused rows, the plan, holds, corrections, the tree,
and who changed what."""

from commission_engine.portal.operators import (
    audit,
    corrections,
    holds,
    plan,
    refused,
    runs,
    tree,
    true_ups,
)

PAGES = (
    *runs.PAGES,
    *refused.PAGES,
    *plan.PAGES,
    *holds.PAGES,
    *corrections.PAGES,
    *true_ups.PAGES,
    *tree.PAGES,
    *audit.PAGES,
)
