"""Measures the nightly load on made-up data: `make bench`, whose results are in docs/.

Not a part of the product: nothing under `backend` imports it.
"""
