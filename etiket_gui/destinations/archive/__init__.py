"""A directory as an archive: blobs, release records and a browsable tree, complete or not at all."""
