"""Going out: the one client, and what keeps it from going where it may not, too often, or in vain."""
