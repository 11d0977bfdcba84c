"""Commands for images: of the local store, of registries, and on their way between these and archives."""
