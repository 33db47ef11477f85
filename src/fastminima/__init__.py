"""fastminima: spurious local minima of ReLU-like networks, built and proved."""
