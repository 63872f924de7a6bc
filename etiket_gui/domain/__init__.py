"""The words of the application as frozen types, errors, events and commands; standard library only."""
