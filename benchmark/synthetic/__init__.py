"""The embedded synthetic set: faces drawn by a program, and forgeries of them."""
