"""What survives a wrong line: mutants of the product, and the tests that notice them."""
