"""How fast it is, in figures that anybody can make again: `make bench`."""
