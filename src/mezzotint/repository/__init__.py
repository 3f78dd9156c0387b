"""The described collection: images, collections, metadata, and how they change."""
