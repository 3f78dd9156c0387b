"""How the suite is run: in which order, on which core, what it costs. Plugins of pytest."""
