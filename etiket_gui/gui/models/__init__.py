"""Models that bind the store live to the views: every one is fed by the reader's threads and never reads itself."""
