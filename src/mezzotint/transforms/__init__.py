"""From a base's bytes to a derivative's: what a file is, what is to be done, doing it."""
