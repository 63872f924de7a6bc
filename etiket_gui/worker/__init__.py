"""The child process that runs backends, converters and destinations for the engine."""
