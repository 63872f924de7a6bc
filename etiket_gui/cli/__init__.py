"""The command line ``etiket-sync``."""
