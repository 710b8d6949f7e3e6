"""Files and tables become facts and refusals, all text first.

The way of a row: `scan` finds the rows in the bytes of a CSV file and `one_row` says what is wrong
with one, `text` reads a file that way and `parquet` a table; `rows` puts all files of one import
into one frame of text columns (`columns` lists them), each row with its place, so that it can be
shown as it stood. `fields` turns the text into ids, `instants` and whole minor units (`amounts`),
and refuses what is not of the form (`checks`). Start with `rows.read_rows`.
"""
