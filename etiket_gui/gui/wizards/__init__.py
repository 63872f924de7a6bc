"""The wizards and dialogs that set sources and destinations up; forms come from what plug-ins say of themselves."""
