"""The tray, the window, the wizards: Qt widgets over the bridge, and nothing that takes long."""
