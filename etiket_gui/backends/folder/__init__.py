"""The backend for folders of files: every measurement program that writes one folder per measurement."""
