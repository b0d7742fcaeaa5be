"""Stands in for PySide6's QtOpenGL, which the application leaves out (11 MB that nothing uses).

pyqtgraph imports the module by name and takes something from it only when it draws with OpenGL; Droid Tune never asks
for that. Whoever does finds the attribute missing, as with a Qt that was built without OpenGL.
"""
