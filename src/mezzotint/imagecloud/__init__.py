"""Pictures by URL: the queue of what is to be loaded, copies for other nodes, what is known of each picture."""
