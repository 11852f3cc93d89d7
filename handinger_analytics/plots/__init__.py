"""Pictures of what workers cost and how they behave.

Each function takes a frame, keyword-only options and ``ax`` (by default a new Axes), and returns the
Axes; `plot_dashboard` alone returns a Figure. None calls ``show`` or touches rcParams, so they follow
the style in use, light or dark.
"""
