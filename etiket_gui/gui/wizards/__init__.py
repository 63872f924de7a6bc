"""The wizards and dialogs that set sources and destinations up; forms are built from what plug-ins say of themselves."""
