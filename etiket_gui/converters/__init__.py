"""Turn one kind of file into another, and arrays into one netCDF4 file; drawn previews."""
