"""Measurements that core-tools keeps in a PostgreSQL database."""
