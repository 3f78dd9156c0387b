"""Keeping: checkpoints and restoring, reconcile and verify, the trash, and what goes on beside the requests."""
