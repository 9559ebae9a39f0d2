"""The benchmark's SQL, a purpose in each file."""
