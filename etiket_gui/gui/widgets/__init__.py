"""Small widgets that every page uses, so that all of them look and behave alike."""
