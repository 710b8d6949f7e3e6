"""Put a plan into the book, where it may still be changed."""

from commission_engine.book import audit, facts, runs
from commission_engine.book.connect import Connection
from commission_engine.imports import Circumstances
from commission_engine.plan.change import faults_of_change
from commission_engine.plan.read import ReadPlan
from commission_engine.plan.record import plan_hash
from commission_engine.problems import PlanRefused


def apply_plan(connection: Connection, read: ReadPlan, given: Circumstances) -> bool:
    """Make the plan that was read the book's plan; whether that changed anything.

    PlanRefused when it changes what has begun; then the old plan stays.
    """
    plan, old = read.plan, facts.current_plan(connection)
    if old is not None and plan_hash(old) == plan_hash(plan):
        return False
    if old is not None:
        completed = runs.completed(connection)
        last_day = completed[-1].day if completed else None
        used = facts.currency_codes(connection)[1:]
        if faults := faults_of_change(old, plan, last_day, used, read.place):
            raise PlanRefused(faults, "Nothing was applied; the plan in the book stays.")
    number = facts.open_intake(connection, facts.Intake("plan", given.now, given.who), 1, 0, 0)
    facts.add_plan(connection, plan, number)
    details = {"plan": plan.name, "sha256": plan_hash(plan)}
    audit.learned(connection, given.signed, number, details)
    return True
