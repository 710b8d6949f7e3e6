"""Files and tables become facts and refusals, all text first.

The way of a row: `lines` cuts the bytes of a CSV file into rows and says which are malformed,
`parquet` does the same for a table; `rows` puts every file of one import into one frame of text
columns (`columns` lists them), each row with its place, so that it can be shown as it stood.
`instants` and `fields` turn the text into ids, instants and whole minor units and refuse what is
not of the form. What a row means beside others is judged elsewhere. Start with `rows.read_rows`.
"""
