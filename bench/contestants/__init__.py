"""Ways to get the training table's rows into a local DuckDB file, this project's and others'.

Each runs in a process of its own (`python -m bench.contestants`), so that its peak memory and its
start are its own.
"""
