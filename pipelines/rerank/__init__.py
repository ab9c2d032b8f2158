"""The last look at a page: filters, diversity, and exploration, which comes last (design decision 9)."""
