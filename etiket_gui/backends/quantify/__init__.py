"""Data folders of quantify-core: finds measurements by their TUID, reads them while they are being written."""
