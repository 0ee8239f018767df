"""One command a file; the table of them is in `cli/app.py`."""
