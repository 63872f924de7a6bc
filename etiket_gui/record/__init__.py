"""A recorder for measurement scripts: numpy and h5py only."""
