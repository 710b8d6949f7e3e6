"""Where input comes from, as config/sources.toml says: a run fetches it itself.

`read` makes the file into sources; each kind has a module: a `folder` into which files are dropped,
a query on the platform's own database (`sql`), Parquet in an object store (`objects`). All of them
give pieces, files of rows with their kind, and are told what became of them (`shape.Source`).
`fetch` is the sentence: look at each source, import what it gives, record how far it was read,
and only then let it move its files.
"""
