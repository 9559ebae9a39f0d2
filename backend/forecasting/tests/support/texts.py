"""Any text, for hypothesis to draw."""

from hypothesis import strategies as st

CHARACTERS = st.characters(exclude_categories=["Cs"])
"""All that UTF-8 can write; asked for by its name, hypothesis first tries out each one there is."""
