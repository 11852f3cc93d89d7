"""Tasks, turns and credits of Handinger workers, as DataFrames.

``__init__.pyi`` lists the names and the modules they come from. Each is loaded when it is first
used, so that importing the package costs little, and neither matplotlib nor ipywidgets is loaded
before a plot or the widget is asked for.
"""

import lazy_loader

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
