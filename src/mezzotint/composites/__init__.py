"""Documents of pages: fetched, rasterised page by page, kept, and registered with a DLCS or in the repository."""
