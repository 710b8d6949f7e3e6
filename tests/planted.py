"""Bugs that are planted in a copy of the program, and the test that has to catch each of them.

    python tests/planted.py             every bug: in how many seconds it is caught by which test
    python tests/planted.py rounding    those with this word in their name
    python tests/planted.py --canary    what must not count as caught

A test that fails because of a crash on its way does not count, nor one that cannot be imported:
its own assertion has to fail. Exit code 1 when a bug was not caught. See docs/reliability.md.
"""

import argparse
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from forked import ROOT, Bench, Given, Outcome

SECONDS = 60.0
"""After which a test with a bug in it is ended; that does not count as caught."""


@dataclass(frozen=True, slots=True)
class Bug:
    """One change to one file of the program, by which somebody would have been wronged.

    `old` stands in `file` exactly once. `caught_by` is named as pytest names it, `costs` is what
    people would have had of it.
    """

    name: str
    file: str
    old: str
    new: str
    caught_by: str
    costs: str


def _kernel(by_hand: str) -> str:
    """A situation that is written down for the reference, calculated by the kernel."""
    held = "test_what_holds_for_the_reference_holds_for_the_kernel"
    return f"tests/test_kernel.py::{held}[{by_hand}]"


KERNEL = "commission_engine/decide/kernel.py"
SETTLE = "commission_engine/ledger/settle.py"
FOLDER = "commission_engine/publish/folder.py"
RUNS = "commission_engine/book/runs.py"
NIGHT = "commission_engine/night.py"

BUGS = (
    # -- who is paid, and at what rate
    Bug(
        "a level dropped",
        KERNEL,
        "there = np.flatnonzero(beneficiary != NOBODY)",
        "there = np.flatnonzero((beneficiary != NOBODY) & (np.arange(len(levels)) < 1))",
        _kernel("test_levels_may_start_with_the_earner_and_leave_gaps"),
        "Whoever stands two levels above a sale is paid nothing for it.",
    ),
    Bug(
        "the wrong ancestor",
        KERNEL,
        "beneficiary[:, place] = ancestors[level.level]",
        "beneficiary[:, place] = ancestors[max(level.level - 1, 0)]",
        _kernel("test_levels_may_start_with_the_earner_and_leave_gaps"),
        "The earner himself gets what belongs to his referrer.",
    ),
    Bug(
        "closed beneficiary paid",
        KERNEL,
        "gross[closed] = commission[closed] = 0",
        "gross[closed] = 0",
        _kernel("test_whether_a_beneficiary_is_closed_is_decided_with_the_order"),
        "An account that was closed goes on earning.",
    ),
    Bug(
        "terms begin a day late",
        KERNEL,
        'side="right") - 1\n        same',
        'side="left") - 1\n        same',
        "tests/test_facts.py::test_terms_begin_on_their_day",
        "On the first day of new terms everybody is paid by the old ones.",
    ),
    Bug(
        "available_on off by one",
        KERNEL,
        "np.int32(self.terms.hold_days)",
        "np.int32(self.terms.hold_days + 1)",
        _kernel("test_a_refund_follows_its_order_to_the_old_referrer_terms_and_date"),
        "Everybody waits a day longer for his money than the terms say.",
    ),
    # -- rounding
    Bug(
        "float rounding",
        KERNEL,
        "result = product // rate.scale",
        "result = (product / rate.scale).astype(np.int64)",
        "tests/test_kernel.py::test_shares_are_exact",
        "Large amounts lose the units that 53 bits do not hold.",
    ),
    Bug(
        "rounding half up for half even",
        KERNEL,
        "twice = twice + (result & 1)",
        "twice = twice + 1",
        "tests/test_kernel.py::test_shares_are_exact",
        "Every second half cent is paid too much, a thousand times a night.",
    ),
    Bug(
        "rounding half even to the odd neighbour",
        "commission_engine/money.py",
        "whole % 2 == 1",
        "whole % 2 == 0",
        "tests/test_money.py::test_halves_go_where_the_rounding_says",
        "Explanations show another cent than was paid.",
    ),
    Bug(
        "each refund rounded for itself",
        KERNEL,
        "before[rows] += running_in_groups(amount, first, group, nothing) - amount",
        "before[rows] += 0",
        "tests/test_kernel.py::test_refunds_in_parts_never_come_to_more_than_their_order",
        "An order that is refunded in parts leaves cents behind, for or against the affiliate.",
    ),
    # -- caps
    Bug(
        ">= for > at a cap",
        KERNEL,
        "cut = picked[paid != value]",
        "cut = picked[total >= limit]",
        _kernel("test_law_3_every_step_of_every_line_whatever_the_caps"),
        "A line that was paid in full is said to have been cut.",
    ),
    Bug(
        "cap one unit too low",
        KERNEL,
        "paid = np.minimum(total, limit) - np.minimum(total - value, limit)",
        "paid = np.minimum(total, limit - 1) - np.minimum(total - value, limit - 1)",
        _kernel("test_the_worked_example_of_the_specification"),
        "Everybody who reaches a cap is paid a cent less than it.",
    ),
    Bug(
        "cap per line, not per window",
        KERNEL,
        "total = running_in_groups(value, first, group, carried)",
        "total = value + carried[group]",
        _kernel("test_weeks_start_on_monday_in_the_zone_of_the_plan"),
        "A monthly cap never holds: each line is held against it alone.",
    ),
    Bug(
        "window total not continued over runs",
        "commission_engine/book/caps.py",
        "return _kept(self.connection, scope, keys).fill_null(0).to_numpy()",
        "return np.zeros(len(keys.start), np.int64)",
        "tests/test_acceptance.py::test_an_example_pays_the_same_over_several_nights[sqlite]",
        "A monthly cap begins anew every night.",
    ),
    Bug(
        "order cap not symmetric",
        KERNEL,
        "capped = np.clip(rounded, -limit, limit)",
        "capped = np.minimum(rounded, limit)",
        _kernel("test_an_order_cap_holds_below_zero_too_and_a_window_cap_does_not"),
        "A negative adjustment takes back more than the order could ever have paid.",
    ),
    Bug(
        "cap key without currency",
        KERNEL,
        "grouped(beneficiary, currency, start)",
        "grouped(beneficiary, start)",
        _kernel("test_law_3_every_step_of_every_line_whatever_the_caps"),
        "Yen use up the dollars of a cap.",
    ),
    Bug(
        "cap key without level",
        KERNEL,
        "np.flatnonzero(lines.level == scope.level)",
        "np.arange(len(lines))",
        _kernel("test_law_3_every_step_of_every_line_whatever_the_caps"),
        "What one level earns uses up the cap of another.",
    ),
    Bug(
        "cap key without beneficiary",
        "commission_engine/decide/used.py",
        '_KEY = ["beneficiary", "currency", "start"]',
        '_KEY = ["currency", "start"]',
        "tests/test_kernel.py::test_totals_of_caps_continue_per_scope_and_key",
        "One affiliate's month is full because of what another one earned.",
    ),
    Bug(
        "week starting on Sunday",
        "commission_engine/calendar.py",
        "return days - (days + 3) % 7",
        "return days - (days + 4) % 7",
        _kernel("test_weeks_start_on_monday_in_the_zone_of_the_plan"),
        "Sunday's sales are held against the cap of the next week.",
    ),
    # -- time
    Bug(
        "UTC for the plan's time zone",
        NIGHT,
        "due = runs.due(connection, before, day, known, last, Zone(plan.timezone))",
        'due = runs.due(connection, before, day, known, last, Zone("UTC"))',
        "tests/test_ledger.py::test_a_book_decides_and_settles_in_the_days_of_its_zone",
        "Sales of the last hours of a month count for the next one.",
    ),
    Bug(
        "an event that waited is lost",
        RUNS,
        "wanted &= (number > previous.event) | (due_day > previous.day)",
        "wanted &= number > previous.event",
        "tests/test_run.py::test_late_events_are_in_the_next_run_and_later_ones_wait[sqlite]",
        "An order that arrived before its day is never paid.",
    ),
    Bug(
        "a reversal looks at tonight's tree",
        RUNS,
        "places[reversals] = decided_by(runs, order[reversals], root_day[reversals])",
        "pass",
        "tests/test_explain.py::test_a_move_and_new_terms_leave_an_order_as_it_was_decided[sqlite]",
        "A refund is taken from somebody who was never paid for the order.",
    ),
    Bug(
        "a reversal looks at tonight's terms",
        RUNS,
        "root_day[reversals] = zone.local_days(root_at[reversals])",
        "pass",
        "tests/test_explain.py::test_a_move_and_new_terms_leave_an_order_as_it_was_decided[sqlite]",
        "A refund takes back more than the order had paid, or less.",
    ),
    Bug(
        "an edge that was not known yet",
        "commission_engine/tree/forest.py",
        "(self.since[edge] > at) | (self.known[edge] > known)",
        "(self.since[edge] > at)",
        _kernel("test_an_edge_learned_late_does_not_change_an_order_already_decided"),
        "A back-dated referral changes whom the refund of an old order is taken from.",
    ),
    Bug(
        "order of arrival instead of processing order",
        "commission_engine/book/order.py",
        "if (occurred[1:] < occurred[:-1]).any():",
        "if (occurred[1:] < occurred[:-1]).all() and len(occurred) > 1:",
        "tests/test_bulk.py::test_processing_order_is_time_then_orders_then_bytes",
        "Who is cut by a cap depends on which file came first.",
    ),
    Bug(
        "ids ordered as they arrived",
        "commission_engine/book/order.py",
        "wrong = same[(ahead & ~after) | ((ahead == after) & later)]",
        "wrong = same[(ahead & ~after)]",
        "tests/test_bulk.py::test_processing_order_is_time_then_orders_then_bytes",
        "Two sales of one second are cut by a cap now this way, now that way.",
    ),
    # -- what is owed and paid
    Bug(
        "> for >= at the payout minimum",
        SETTLE,
        'pl.col("ready") >= pl.col("least")',
        'pl.col("ready") > pl.col("least")',
        "tests/test_ledger.py::test_a_balance_is_paid_from_the_minimum_on",
        "Whoever has earned exactly the minimum waits for another month.",
    ),
    Bug(
        "a minimum without its currency",
        SETTLE,
        'joined.join(first, on="affiliate", how="left").join(minimum, on="currency", how="left")',
        'joined.join(first, on="affiliate", how="left").with_columns('
        'least=pl.lit(minimum["least"].max()))',
        "tests/test_ledger.py::test_a_minimum_holds_for_its_own_currency",
        "Balances in yen wait for the minimum in dollars.",
    ),
    Bug(
        "suspended paid",
        SETTLE,
        '& ~pl.col("affiliate").is_in(inactive.implode())',
        "",
        "tests/test_ledger.py::test_those_who_are_not_active_accrue_and_are_not_paid",
        "Money goes to an account that was stopped for fraud.",
    ),
    Bug(
        "available a day late",
        SETTLE,
        'pl.col("amount").filter(pl.col("available_day") <= day)',
        'pl.col("amount").filter(pl.col("available_day") < day)',
        "tests/test_ledger.py::test_what_is_held_is_not_paid_until_its_day_has_come",
        "What is free on the payday is paid with the next one, or never.",
    ),
    Bug(
        "refund not netted inside the hold",
        "commission_engine/ledger/post.py",
        "lambda rows: np.maximum(lines.available_day[rows], day),",
        "lambda rows: np.where(kind[lines.row[rows]] == Kind.REVERSED, day,"
        " np.maximum(lines.available_day[rows], day)),",
        "tests/test_ledger.py::test_lines_become_one_entry_per_beneficiary_currency_kind_and_day",
        "A refund is taken from older money, although its order was not paid out yet.",
    ),
    Bug(
        "currencies mixed in the journal",
        "commission_engine/ledger/post.py",
        "            lambda rows: events.currency[lines.row[rows]],\n"
        "            lambda rows: kind[lines.row[rows]],",
        "            lambda rows: np.minimum(events.currency[lines.row[rows]], 1),\n"
        "            lambda rows: kind[lines.row[rows]],",
        "tests/test_ledger.py::test_entries_and_activity_are_those_of_plain_dictionaries"
        "[few places-dense]",
        "A thousand yen become a thousand dollars.",
    ),
    Bug(
        "debit and credit exchanged",
        "commission_engine/ledger/accounts.py",
        "Kind.PAID: (Account.AFFILIATE_PAYABLE, Account.PAYOUT_CLEARING)",
        "Kind.PAID: (Account.PAYOUT_CLEARING, Account.AFFILIATE_PAYABLE)",
        "tests/test_ledger.py::test_a_payout_goes_from_what_is_owed_to_the_clearing_account",
        "The books say that affiliates have paid us.",
    ),
    Bug(
        "statement period overlaps by a day",
        NIGHT,
        "period_from=None if previous is None else previous + 1,",
        "period_from=previous,",
        "tests/test_ledger.py::test_a_book_decides_and_settles_in_the_days_of_its_zone",
        "A day stands on two statements.",
    ),
    Bug(
        "sums that differ are let through",
        NIGHT,
        'if not sums["commission"] == by_kind == sums["booked"]:',
        'if not sums["commission"] == by_kind:',
        "tests/test_ledger.py::test_lines_kinds_and_ledger_must_agree",
        "A ledger that lost a line is published all the same.",
    ),
    # -- what a person has to see first
    Bug(
        ">= for > at the bound of a payout",
        "commission_engine/ledger/holds.py",
        '(pl.col("amount_minor") > pl.col("bound"))',
        '(pl.col("amount_minor") >= pl.col("bound"))',
        "tests/test_bounds.py::test_a_payout_at_its_bound_is_paid_and_one_cent_more_waits[sqlite]",
        "Payouts wait for a person who was not to be asked.",
    ),
    Bug(
        "bound compared with the wrong median",
        "commission_engine/bounds.py",
        "counted[middle] + counted[-1 - middle]",
        "counted[0] + counted[-1]",
        "tests/test_bounds.py::test_the_median_is_the_middle_and_not_half_way_between_the_ends",
        "One enormous night makes every later one look small.",
    ),
    Bug(
        "bound compared with the oldest runs",
        "commission_engine/bounds.py",
        "[-self.median_of :]",
        "[: self.median_of]",
        "tests/test_bounds.py::test_the_newest_runs_are_those_that_count",
        "A programme that has grown is held every night.",
    ),
    Bug(
        "hold released without a reason",
        "commission_engine/releases.py",
        "if not wanted.reason.strip():",
        "if wanted.reason is None:",
        "tests/test_bounds.py::test_a_release_has_a_reason[sqlite]",
        "Nobody can say later why a large payout was let go.",
    ),
    Bug(
        "a hold of another currency",
        "commission_engine/ledger/holds.py",
        "waits = accounts.select(KEY).unique().with_columns(waits=True)\n"
        "    return (\n"
        '        statements.join(waits, on=KEY, how="left", maintain_order="left")',
        'waits = accounts.select("affiliate").unique().with_columns(waits=True)\n'
        "    return (\n"
        '        statements.join(waits, on="affiliate", how="left", maintain_order="left")',
        "tests/test_holds.py::test_withholding_moves_a_payout_back_into_what_is_available",
        "A held payout in dollars holds the yen as well.",
    ),
    Bug(
        "a release without its currency",
        "commission_engine/book/holds.py",
        "        payout.c.currency == hold.c.currency,\n",
        "",
        "tests/test_bounds.py::"
        "test_a_payout_to_others_or_in_another_currency_does_not_use_up_a_release[sqlite]",
        "What a person has released is not paid, because other money was.",
    ),
    Bug(
        "a release without its owner",
        "commission_engine/book/holds.py",
        "        payout.c.affiliate == hold.c.affiliate,\n",
        "",
        "tests/test_bounds.py::"
        "test_a_payout_to_others_or_in_another_currency_does_not_use_up_a_release[sqlite]",
        "What a person has released is not paid, because somebody else was.",
    ),
    # -- what comes in
    Bug(
        "duplicate counted as accepted",
        "commission_engine/verdict.py",
        "for part in (refusals, *known, *repeated):",
        "for part in (refusals, *known):",
        "tests/test_judge_earnings.py::test_of_equal_rows_the_first_is_accepted",
        "An order that was delivered twice is paid twice.",
    ),
    Bug(
        "what is known is accepted once more",
        "commission_engine/verdict.py",
        "for part in (refusals, *known, *repeated):",
        "for part in (refusals, *repeated):",
        "tests/test_judge_earnings.py::test_what_the_book_says_already_is_a_duplicate",
        "The same file again pays everybody again.",
    ),
    Bug(
        "the last one wins",
        "commission_engine/ingest/judge.py",
        "conclude(rows, [conflicts, clash, *misfits], [equal], [repeats])",
        "conclude(rows, [clash, *misfits], [equal], [repeats])",
        "tests/test_judge_earnings.py::test_conflict_with_the_book",
        "Whoever sends an old id with a larger amount changes what was agreed.",
    ),
    Bug(
        "earlier refunds forgotten",
        "commission_engine/ingest/judge.py",
        'pl.col("root_amount_minor") + pl.col("reversed_minor").fill_null(0)',
        'pl.col("root_amount_minor")',
        "tests/test_judge_earnings.py::test_reversal_exceeds_order",
        "An order is refunded twice over, and the affiliate pays for it.",
    ),
    Bug(
        "the last refund refused",
        "commission_engine/ingest/judge.py",
        "if left + amount >= 0:",
        "if left + amount > 0:",
        "tests/test_judge_earnings.py::test_reversal_exceeds_order",
        "A whole refund is refused, and commission is paid for nothing.",
    ),
    Bug(
        "rejects dropped",
        "commission_engine/imports.py",
        "refusals.add_refusals(connection, rows.kind, refused, number)",
        "refusals.add_refusals(connection, rows.kind, refused[:0], number)",
        "tests/test_run.py::test_refused_rows_do_not_stop_the_night[sqlite]",
        "Orders that could not be read are gone without a trace.",
    ),
    Bug(
        "a dry run that keeps",
        "commission_engine/imports.py",
        "worker.writing(keep=not given.dry_run)",
        "worker.writing(keep=True)",
        "tests/test_cli.py::test_a_dry_run_keeps_nothing[sqlite]",
        "Somebody who only wanted to look has changed the book.",
    ),
    Bug(
        "a loop with the book",
        "commission_engine/tree/judge.py",
        "edges = pl.concat([candidates.select(_EDGE), known.select(_EDGE)])\n    if",
        "edges = candidates.select(_EDGE)\n    if",
        "tests/test_judge_referrals.py::test_cycle_with_the_book_refuses_the_news_only",
        "Somebody stands above himself and is paid for his own sales for ever.",
    ),
    # -- the plan
    Bug(
        "the past may be changed",
        "commission_engine/plan/change.py",
        "each.starts <= last_day}",
        "each.starts < last_day}",
        "tests/test_plan.py::test_the_past_may_not_be_changed",
        "Terms under which people were paid are rewritten.",
    ),
    Bug(
        "a rate at the edge of its bounds",
        "commission_engine/money.py",
        "return self.parts * other.scale <= other.parts * self.scale",
        "return self.parts * other.scale < other.parts * self.scale",
        "tests/test_money.py::test_a_rate_is_at_most_itself_and_whatever_is_more",
        "A plan that may pay 20% at most cannot pay 20%.",
    ),
    # -- the book
    Bug(
        "upsert over a posted line",
        "commission_engine/book/bulk.py",
        'f"INSERT INTO {table.name} (',
        'f"INSERT OR REPLACE INTO {table.name} (',
        "tests/test_bulk.py::test_an_error_of_the_driver_is_one_of_sqlalchemy[sqlite]",
        "A second posting overwrites the first, and both were paid.",
    ),
    Bug(
        "WHERE without the book's owner",
        "commission_engine/book/bulk.py",
        "keys = [column.name for column in table.primary_key]",
        "keys = [column.name for column in table.primary_key][:-1]",
        "tests/test_bulk.py::test_an_update_changes_what_is_there_and_nothing_else[sqlite]",
        "One affiliate's new total is written over everybody's.",
    ),
    Bug(
        "another affiliate's lines",
        "commission_engine/book/lines.py",
        "where.append(line.c.beneficiary.in_(whose.to_list()))",
        "pass",
        "tests/test_lines_store.py::test_every_home_answers_alike[sqlite-database]",
        "An affiliate reads on his statement what others earn.",
    ),
    Bug(
        "lock token not raised",
        "commission_engine/book/lock.py",
        '"token": (token or 0) + 1}',
        '"token": token or 1}',
        "tests/test_lock.py::test_a_holder_whose_book_was_taken_over_writes_nothing_more[sqlite]",
        "Two processes work on one book, and both pay.",
    ),
    Bug(
        "audit row left out",
        "commission_engine/imports.py",
        "audit.learned(connection, given.signed, number, details, added, aside)",
        "audit.learned",
        "tests/test_audit.py::test_every_kind_of_change_is_one_row[sqlite]",
        "Nobody can see who imported what.",
    ),
    Bug(
        "audit hash without the previous hash",
        "commission_engine/book/audit.py",
        'del columns["hash"]',
        'del columns["hash"], columns["previous"]',
        "tests/test_audit.py::test_who_and_when_sealed_anew_are_found_by_the_head_that_was_noted",
        "A row of the trail can be taken out, and the rest still proves itself.",
    ),
    # -- files
    Bug(
        "wall-clock id",
        "commission_engine/publish/ids.py",
        "before = start.encode()",
        'before = start.encode() + str(__import__("time").time_ns()).encode()',
        "tests/test_publish.py::test_ids_stay_what_they_are",
        "A file that is written again asks the bank to pay again.",
    ),
    Bug(
        "payout id without currency",
        "commission_engine/publish/ids.py",
        "texts = _told_apart(affiliates) + _told_apart(currencies)",
        "texts = _told_apart(affiliates)",
        "tests/test_publish.py::test_ids_stay_what_they_are",
        "The bank takes the second payout of an affiliate for the first one.",
    ),
    Bug(
        "formula text not neutralised",
        "commission_engine/publish/text.py",
        r"[=+\-@\t\r\n\x00＝＋－＠]",
        r"[=+\-\t\r\n\x00＝＋－＠]",
        "tests/test_publish.py::test_no_text_is_left_that_a_spreadsheet_reads_as_a_formula",
        "An affiliate's name runs as a formula on the accountant's machine.",
    ),
    Bug(
        "amounts neutralised",
        "commission_engine/publish/text.py",
        "if kind == pl.String and name not in NUMBERS",
        "if kind == pl.String",
        "tests/test_publish.py::test_headers_and_numbers_are_never_made_safe",
        "Refunds are texts with a quote, and the bank's sum is wrong.",
    ),
    Bug(
        "strangers by name",
        "commission_engine/publish/documents.py",
        'direct = pairs.filter(pl.col("level") == 1)',
        'direct = pairs.filter(pl.col("level") >= 1)',
        "tests/test_publish.py::test_nobody_reads_of_those_he_does_not_know",
        "An affiliate reads the names of people whom he does not know.",
    ),
    Bug(
        "an altered file passes",
        FOLDER,
        "and not file.read(1)",
        "",
        "tests/test_publish.py::test_a_longer_or_shorter_file_is_altered_too",
        "A row that somebody has added to a payout file is not noticed.",
    ),
    Bug(
        "a missing fsync",
        FOLDER,
        "os.fsync(descriptor)",
        "pass",
        "tests/test_publish.py::test_a_full_disk_publishes_nothing",
        "After a power failure the payout file is there and empty.",
    ),
    Bug(
        "a missing directory sync",
        FOLDER,
        "self._aside.rename(self.folder)\n        _sync(self.folder.parent)",
        "self._aside.rename(self.folder)",
        "tests/test_planted.py::test_a_folder_is_named_when_it_is_durable_and_then_so_is_its_name",
        "After a power failure the folder of a completed night is gone.",
    ),
    Bug(
        "rename before sync",
        FOLDER,
        "        _sync_all(self._aside, written)\n"
        "        for inner in sorted({os.path.dirname(path) for path in written}):\n"
        "            _sync(inner)\n"
        "        self._aside.rename(self.folder)\n",
        "        self._aside.rename(self.folder)\n"
        "        written = [os.path.join(self.folder, name) for name in self._names]\n"
        "        _sync_all(self.folder, written)\n"
        "        for inner in sorted({os.path.dirname(path) for path in written}):\n"
        "            _sync(inner)\n",
        "tests/test_planted.py::test_a_folder_is_named_when_it_is_durable_and_then_so_is_its_name",
        "After a power failure a folder is there whose files are cut short.",
    ),
    Bug(
        "commits that are not synced",
        "commission_engine/book/connect.py",
        '"synchronous=FULL"',
        '"synchronous=OFF"',
        "tests/test_planted.py::test_a_commit_of_sqlite_is_on_the_disk_before_it_is_said",
        "After a power failure a night that was said to be done is gone, its payouts are not.",
    ),
    # -- what the scheduler is told
    Bug(
        "exit code 0 for 5",
        "commission_engine/cli/care.py",
        "raise typer.Exit(Exit.OUT_OF_BALANCE)",
        "raise typer.Exit(Exit.DONE)",
        "tests/test_verify.py::test_a_changed_file_and_a_missing_one[sqlite]",
        "The scheduler sends the payouts of a book that does not balance.",
    ),
    Bug(
        "exit code 0 for refused rows",
        "commission_engine/cli/imports.py",
        "raise typer.Exit(Exit.ROWS_REJECTED)",
        "raise typer.Exit(Exit.DONE)",
        "tests/test_cli.py::test_import_counts_every_row_once[sqlite]",
        "Nobody looks at the orders that could not be read.",
    ),
)


def part_of(bugs: Sequence[Bug], number: int, parts: int) -> Sequence[Bug]:
    """The part of that number, from 1; neighbours stay together, for they share their tests."""
    return bugs[len(bugs) * (number - 1) // parts : len(bugs) * number // parts]


def text_with(bug: Bug) -> str:
    """The file with the bug in it; ValueError where its old text is not there exactly once."""
    text = (ROOT / bug.file).read_text("utf-8")
    found = text.count(bug.old)
    if found != 1:
        raise ValueError(
            f"{bug.name}: {bug.file} has its old text {found} times, and not once:\n{bug.old}\n"
            "The program was changed there. Plant the bug anew, so that it still is one."
        )
    return text.replace(bug.old, bug.new)


def planted(bench: Bench, bug: Bug) -> Outcome:
    """What the test of a bug says to the copy with the bug in it."""
    with bench.changed(bug.file, text_with(bug)):
        return bench.run([bug.caught_by], SECONDS)


def without_bugs(bench: Bench, bugs: Iterable[Bug]) -> Outcome:
    """What the tests of these bugs say to the copy as it is; file by file, as pytest takes them."""
    nodes = sorted(dict.fromkeys(bug.caught_by for bug in bugs))
    together = [
        node for _, part in groupby(nodes, lambda node: node.split("::")[0]) for node in part
    ]
    return bench.run(together, SECONDS * 5, Given(keep_bytecode=True))


def verdict(bug: Bug, outcome: Outcome) -> str:
    """Why the bug does not count as caught; empty where it was."""
    module = bug.file.removesuffix(".py").replace("/", ".")
    if outcome.asserted and module in outcome.loaded:
        return ""
    if outcome.passed:
        return f"{bug.name}: {bug.caught_by} passes all the same"
    faults = ", ".join(each.fault for each in outcome.tests if not each.passed)
    why = faults or f"pytest ended with {outcome.status}"
    return f"{bug.name}: {bug.caught_by} does not fail by an assertion: {why}\n{outcome.words}"


# What must not count, with what is said of it.
_WHOSE = ("commission_engine/verdict.py", "taken = np.ones(rows.height, np.bool_)")
_TEST = "tests/test_judge_earnings.py::test_of_equal_rows_the_first_is_accepted"
CANARIES = (
    Bug("nothing", *_WHOSE, f"{_WHOSE[1]}  # as it was", _TEST, "passes all the same"),
    Bug("a crash", *_WHOSE, "raise LookupError('no')", _TEST, "by an assertion: LookupError"),
    Bug("no program", *_WHOSE, "taken = = 1", _TEST, "by an assertion: pytest ended with"),
    Bug("no test", *_WHOSE, "taken = None", f"{_TEST}_no", "by an assertion: pytest ended with"),
)


def canaries(bench: Bench) -> list[str]:
    """What is wrong with those who look for bugs."""
    wrong = []
    for bug in CANARIES:
        found = verdict(bug, planted(bench, bug))
        if bug.costs not in found:
            wrong.append(f"canary {bug.name}: found {found or 'caught'!r}, not {bug.costs!r}")
    return wrong


def table(bench: Bench, bugs: Sequence[Bug]) -> list[str]:
    """Print which bug is caught by what; what was not."""
    missed = []
    width = max((len(bug.name) for bug in bugs), default=0)
    for bug in bugs:
        outcome = planted(bench, bug)
        wrong = verdict(bug, outcome)
        missed += [wrong] if wrong else []
        said = "MISSED" if wrong else f"{outcome.seconds:6.2f}"
        print(f"{bug.name:<{width}}  {said}  {bug.caught_by}", flush=True)
    print(f"{len(bugs) - len(missed)} of {len(bugs)} caught")
    return missed


def main(words: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description="Plant bugs in a copy and see them caught.")
    parser.add_argument("word", nargs="?", default="", help="only bugs with it in their name")
    parser.add_argument("--part", default="1/1", metavar="N/M", help="the N-th of M parts of them")
    parser.add_argument("--canary", action="store_true", help="what must not count as caught")
    given = parser.parse_args(words)
    number, parts = map(int, given.part.split("/"))
    bugs = part_of([bug for bug in BUGS if given.word in bug.name], number, parts)
    with Bench() as bench:
        fine = without_bugs(bench, CANARIES[:1] if given.canary else bugs)
        if not fine.passed:
            print(f"without any bug the tests do not pass:\n{fine.words}")
            return 1
        missed = canaries(bench) if given.canary else table(bench, bugs)
    print(*missed, sep="\n")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
