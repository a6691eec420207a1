"""What moves in the page itself, without a kernel: networks, sliders, lattices."""
