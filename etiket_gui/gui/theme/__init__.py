"""How the window looks: colours, spacing, radii and type sizes as named values, and what Qt is told of them."""
