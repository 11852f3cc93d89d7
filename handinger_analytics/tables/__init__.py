"""Columns: declared once, built from records as Arrow, handed out as pandas frames."""
