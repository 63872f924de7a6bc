"""The child process that works for the window: plug-in code, disks and the password store, asked by a person."""
