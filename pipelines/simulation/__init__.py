"""A synthetic streaming service whose truth is known, and its members at the page: for exams, not for the product."""
