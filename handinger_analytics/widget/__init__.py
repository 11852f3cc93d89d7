"""The notebook widget: look task ids up without writing code."""
