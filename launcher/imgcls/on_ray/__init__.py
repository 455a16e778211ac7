"""What drives workers. The only package that imports ray."""
