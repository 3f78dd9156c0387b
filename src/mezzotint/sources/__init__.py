"""Pictures from elsewhere: origins by URL, and peers. Async; the only room that goes out over the network for them."""
