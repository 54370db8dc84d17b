"""`PrototypeExplorer`: drag examples and classes; look into a learned space."""
