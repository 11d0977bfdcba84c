"""What is said of images: what to say, saying it, and showing what others said."""
