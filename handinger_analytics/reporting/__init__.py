"""A report as one HTML file that opens anywhere: no network, no scripts, pictures inline."""
