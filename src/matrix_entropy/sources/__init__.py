"""Where models and data come from: the hub, addresses, packages, and what their files say."""
