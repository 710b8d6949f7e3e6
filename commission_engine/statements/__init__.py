"""Statements as people read them: what one says, whom it names, and how it becomes HTML and PDF.

`content.py` says everything of a statement in plain values, `page.py` in the words and figures of
a language, `html.py` and `pdf.py` put that on a screen and on paper.
"""
